"""A real service process, with a real registry and a real object store that move, die, lie and come back."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bundle.opening import open_bundle
from bundle.stores.address import parse_address
from bundle.stores.pushing import push, read_shipment
from bundle.stores.source import StoreOptions
from tests.bundle.stores.real_stores import DockerRegistry, Moto
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.server import ROOT, Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="no docker-registry: apt-get install it"),
]

PLAIN = StoreOptions(timeout_s=10, allow_http=True)
FILM = flat_film(200)
SOON = {
    "store_allow_http": "true",
    "store_poll_s": 0.2,
    "model_poll_s": 0.1,
    "store_timeout_s": 5,
    "deadline_ms": 60_000,
    "max_slowdown": 1000,  # of two networks of microseconds, whatever else the machine does
}
BIG = 48 * 1024 * 1024
"""Bytes of weights, so that a download can be killed in its middle."""


@pytest.fixture
def registry(tmp_path):
    started = DockerRegistry(tmp_path / "registry")
    started.start()
    yield started
    started.close()


@pytest.fixture
def start(tmp_path):
    servers = []

    def started(address: str, **settings) -> Server:
        servers.append(Server(address, models_cache=tmp_path / "cache", **(SOON | settings)))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


def version(server: Server) -> str:
    answer = server.client.post("/predict", content=FILM)
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]["version"]


def store(server: Server) -> dict:
    return server.client.get("/models").json()["store"]


@pytest.mark.scale("21.3 registry", "a tag that moves is served without a failed request; a digest never moves")
def test_a_moved_tag_is_swapped_under_load_and_a_digest_is_not(registry, start, tmp_path, record_property) -> None:
    tag = f"oci://{registry.host}/cxr/tiny:stable"
    pinned = push(read_shipment(write_tiny_bundle(tmp_path / "models")), parse_address(tag), PLAIN).reference
    moving, fixed = start(tag), start(pinned)
    statuses: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            statuses.append(moving.client.post("/predict", content=FILM).status_code)

    caller = threading.Thread(target=load)
    caller.start()
    second = write_tiny_bundle(tmp_path / "models", version="2.0.0")
    push(read_shipment(second), parse_address(tag), PLAIN)
    wait_until(lambda: version(moving) == "2.0.0", "the moved tag serves")
    over.set()
    caller.join()

    assert set(statuses) == {200}
    assert version(fixed) == "1.0.0"
    record_property("figure", f"{len(statuses)} requests while the tag moved, none failed")


@pytest.mark.scale("21.3 registry", "starts from its cache while the registry is down, says so, and goes on with it")
def test_it_starts_from_its_cache_while_the_registry_is_down(registry, start, tmp_path) -> None:
    tag = f"oci://{registry.host}/cxr/tiny:stable"
    push(read_shipment(write_tiny_bundle(tmp_path / "models")), parse_address(tag), PLAIN)
    first = start(tag)
    first.terminate()
    registry.stop()
    server = start(tag)
    answered = version(server)
    state = store(server)
    metrics = server.client.get("/metrics").text
    registry.start()
    push(read_shipment(write_tiny_bundle(tmp_path / "models", version="2.0.0")), parse_address(tag), PLAIN)
    wait_until(lambda: version(server) == "2.0.0", "what the registry got meanwhile serves")

    assert answered == "1.0.0"
    assert "nothing listens there" in state["fault"]
    assert f'cxr_store_reachable{{store="{tag}"}} 0.0' in metrics
    assert any('"store_unusable"' in line and '"the cache"' in line for line in server.lines)
    assert any('"store_answers_again"' in line for line in server.lines)


@pytest.mark.scale("21.3 registry", "a poisoned cache is never loaded, and fetched anew")
@pytest.mark.parametrize("consistent", [False, True], ids=["one byte", "right in itself"])
def test_a_poisoned_cache_is_fetched_anew(consistent, registry, start, tmp_path) -> None:
    tag = f"oci://{registry.host}/cxr/tiny:stable"
    genuine = write_tiny_bundle(tmp_path / "models")
    push(read_shipment(genuine), parse_address(tag), PLAIN)
    start(tag).terminate()
    (place,) = tmp_path.glob("cache/*/bundles/*/1.0.0")
    content = bytearray((place / "model.onnx").read_bytes())
    content[-1] ^= 1
    (place / "model.onnx").write_bytes(content)
    if consistent:
        stated = json.loads((place / "manifest.json").read_text())
        stated["files"]["model.onnx"]["sha256"] = hashlib.sha256(content).hexdigest()
        (place / "manifest.json").write_text(json.dumps(stated))
    server = start(tag)

    assert version(server) == "1.0.0"
    served = server.client.get("/models/current").json()
    assert served["files"]["model.onnx"]["sha256"] == open_bundle(genuine).manifest.files["model.onnx"].sha256
    assert any('"store_cache_discarded"' in line for line in server.lines) or not consistent
    assert place.joinpath("model.onnx").read_bytes() == (genuine / "model.onnx").read_bytes()


class SlowLine:
    """Between a service and its registry: lets so many bytes of answers through, and then holds the rest."""

    def __init__(self, port: int, let_through: int) -> None:
        self._port = port
        self._left = let_through
        self.held = threading.Event()
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            behind = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._pass, args=(caller, behind), kwargs={"counted": False}, daemon=True).start()
            threading.Thread(target=self._pass, args=(behind, caller), kwargs={"counted": True}, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, *, counted: bool) -> None:
        try:
            while content := source.recv(65536):
                if counted:
                    self._left -= len(content)
                    if self._left < 0:
                        self.held.set()
                        self._over.wait()
                target.sendall(content)
        except OSError:
            return
        finally:
            target.close()

    def close(self) -> None:
        self._over.set()
        self._listener.close()


SYNCHRONISE = """
import sys
from pathlib import Path
from bundle.stores.address import cache_folder
from bundle.stores.mirror import Mirror
from bundle.stores.opening import open_source
from bundle.stores.source import StoreOptions

address, cache = sys.argv[1:]
source = open_source(address, StoreOptions(60, allow_http=True))
Mirror(cache_folder(Path(cache), address), source).synchronise()
"""
"""What a service does on its thread for the store, without the seconds that its start takes."""


def killed_in_a_download(address: str, cache: Path, line: SlowLine) -> None:
    """Begin a download, and kill its process once the line holds it."""
    process = subprocess.Popen([sys.executable, "-c", SYNCHRONISE, address, str(cache)], cwd=ROOT)
    try:
        assert line.held.wait(120), "the download never came so far"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.scale("21.3 registry", "killed in the middle of a download at any point, nothing half is ever served")
def test_it_is_killed_at_several_points_of_a_download(registry, start, tmp_path, record_property) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    weights = os.urandom(BIG)
    (directory / "weights.safetensors").write_bytes(weights)
    stated = json.loads((directory / "manifest.json").read_text())
    record = {"sha256": hashlib.sha256(weights).hexdigest(), "size_bytes": BIG}
    (directory / "manifest.json").write_text(
        json.dumps(stated | {"files": stated["files"] | {"weights.safetensors": record}})
    )
    push(read_shipment(directory), parse_address(f"oci://{registry.host}/cxr/tiny:stable"), PLAIN)
    points = (500, 3_000, 40_000, BIG // 4, BIG // 2, BIG - 100_000)
    for point in points:
        line = SlowLine(registry.port, point)
        killed_in_a_download(f"oci://{line.host}/cxr/tiny:stable", tmp_path / "cache", line)
        line.close()

        assert not list(tmp_path.glob("cache/*/view/*/*/manifest.json"))
        assert not list(tmp_path.glob("cache/*/bundles/*/1.0.0"))
    server = start(f"oci://{registry.host}/cxr/tiny:stable")

    assert version(server) == "1.0.0"
    (place,) = tmp_path.glob("cache/*/bundles/*/1.0.0")
    assert (place / "weights.safetensors").read_bytes() == weights
    record_property(
        "figure", f"killed after {', '.join(map(str, points))} bytes of {BIG}; nothing half was left in place"
    )


@pytest.mark.scale(
    "21.3 object store", "a new `current` of a bucket is followed; starts from the cache when it is down"
)
def test_a_bucket_serves_is_followed_and_may_be_down(start, tmp_path, monkeypatch) -> None:
    moto = Moto(tmp_path)
    moto.start()
    try:
        for name, value in moto.variables().items():
            monkeypatch.setenv(name, value)
        moto.request("PUT", "/bundles")
        target = parse_address("s3://bundles/hospital/models")
        push(read_shipment(write_tiny_bundle(tmp_path / "models")), target, PLAIN, make_current=True)
        server = start(str(target))
        before = version(server)
        second = write_tiny_bundle(tmp_path / "models", version="2.0.0")
        push(read_shipment(second), target, PLAIN, make_current=True)
        wait_until(lambda: version(server) == "2.0.0", "the new current serves")
        server.terminate()
    finally:
        moto.close()
    again = start(str(target))

    assert before == "1.0.0"
    assert version(again) == "2.0.0"
    assert "the store gave no answer" in store(again)["fault"]
    assert not any("open-sesame" in line for line in [*server.lines, *again.lines])
