"""Rules of the real server process: `python -m service`, spoken to over HTTP on loopback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.resilience import server as resilience
from benchmarks.resilience.lever import Lever, Order
from imaging.phantom import phantom
from service.films import codec_server
from tests.films import encode
from tests.imaging.compressed import compressed_film, encapsulated_film, killers
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.server import ROOT, Server
from tests.service.spoilt import looping
from tests.waiting import wait_until

pytestmark = pytest.mark.process

FILM = encode(phantom(120, 100, seed=2, opacity=0.8))
LARGE_FILM = encode(phantom(1500, 1500, seed=2))  # a deadline of 1 ms ends before it is decoded, on any machine
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def start():
    servers = []

    def started(models_dir, **settings):
        servers.append(Server(models_dir, **settings))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


@pytest.fixture(scope="module")
def server(tiny_models):
    running = Server(tiny_models, max_body_bytes=1_000_000)
    yield running
    running.end()


def test_a_film_is_answered_over_http(server) -> None:
    response = server.client.post("/predict", files={"file": ("x.jpeg", FILM, "image/jpeg")})

    assert response.status_code == 200
    assert response.json()["prediction"]["probabilities"].keys() == {"NORMAL", "PNEUMONIA"}
    assert "server" not in response.headers


def test_a_batch_with_a_broken_film_is_answered_over_http(server) -> None:
    parts = [("files", ("a", FILM, "image/jpeg")), ("files", ("b", FILM[:500], "image/jpeg"))]
    results = server.client.post("/predict/batch", files=parts).json()["results"]

    assert ("prediction" in results[0], results[1]["problem"]["status"]) == (True, 422)


@pytest.mark.parametrize(
    ("accept", "start_of_body"), [("image/png", b"\x89PNG"), ("application/json", b'{"request_id"')]
)
def test_an_explanation_is_answered_over_http(server, accept, start_of_body) -> None:
    response = server.client.post("/explain", content=FILM, headers={"Content-Type": "image/jpeg", "Accept": accept})

    assert response.status_code == 200
    assert response.content.startswith(start_of_body)


@pytest.mark.parametrize(
    ("method", "address", "body", "headers", "status"),
    [
        ("GET", "/nowhere", b"", {}, 404),
        ("GET", "/predict", b"", {}, 405),
        ("POST", "/predict", b"", PNG, 400),
        ("POST", "/predict", b"rubbish", PNG, 415),
        ("POST", "/predict", FILM[:900], {"Content-Type": "image/jpeg"}, 422),
        ("POST", "/predict", bytes(3_000_000), PNG, 413),
        ("POST", "/explain?finding=FRACTURE", FILM, {}, 422),
        ("POST", "/predict", LARGE_FILM, {"X-Deadline-Ms": "1"}, 504),
        ("POST", "/predict", FILM, {"X-Deadline-Ms": "9" * 400}, 422),
        ("POST", "/predict", FILM, {"X-Deadline-Ms": "9" * 5000}, 422),
    ],
)
def test_after_every_bad_request_the_next_good_one_is_answered(
    server, *, method, address, body, headers, status
) -> None:
    bad = server.client.request(method, address, content=body, headers=headers)
    good = server.client.post("/predict", content=FILM)

    assert (bad.status_code, bad.headers["Content-Type"]) == (status, "application/problem+json")
    assert good.status_code == 200


def test_a_body_whose_length_is_not_stated_is_limited_too(server) -> None:
    response = server.client.post("/predict", content=(bytes(100_000) for _ in range(20)), headers=PNG)

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_parallel_callers_get_the_answers_that_they_get_alone(server) -> None:
    films = [encode(phantom(60, 50, seed=seed, opacity=seed / 16), ".png") for seed in range(16)]

    def ask(film):
        response = server.client.post("/predict", content=film, headers=PNG)
        return response.json()["prediction"]["probabilities"]["PNEUMONIA"]

    alone = [ask(film) for film in films]
    with ThreadPoolExecutor(8) as callers:
        together = list(callers.map(ask, films))

    assert together == pytest.approx(alone, abs=1e-5)


def test_a_film_that_aborts_its_decoder_leaves_the_server_alive(server) -> None:
    pixels = phantom(64, 48, seed=2)
    good = compressed_film(pixels, "1.2.840.10008.1.2.4.70")
    for _, syntax, fragments in killers(pixels):
        bad = server.client.post("/predict", content=encapsulated_film(fragments, syntax, pixels))

        assert (bad.status_code, bad.json()["code"]) == (422, "invalid_image")
        assert server.client.post("/predict", content=good).status_code == 200
    metrics = server.client.get("/metrics").text
    # A death that is seen before the word that the frame arrived costs a second child: the frame is tried again.
    assert float(re.search(r"^cxr_decode_worker_deaths_total (\S+)$", metrics, re.MULTILINE)[1]) >= 3


def test_a_decoding_process_that_is_killed_costs_the_server_no_later_film(start, tiny_models) -> None:
    server = start(tiny_models, decode_workers=1, film_processes=0)
    good = compressed_film(phantom(64, 48, seed=2), "1.2.840.10008.1.2.4.70")
    assert server.client.post("/predict", content=good).status_code == 200
    children = descendants(server.process.pid)
    for child in children:  # the fork server and its child
        os.kill(child, signal.SIGKILL)

    assert len(children) == 2
    assert server.client.post("/predict", content=good).status_code == 200
    assert "cxr_decode_worker_deaths_total 1.0" in server.client.get("/metrics").text
    assert server.terminate() == 0


def descendants(process):
    listed = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for path in listed for child in path.read_text().split()]
    ours = [child for child in children if Path(f"/proc/{child}/comm").read_text().strip() == codec_server.NAME]
    return [found for child in ours for found in (*descendants_of_fork_server(child), child)]


def descendants_of_fork_server(process):
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_caller_who_leaves_is_counted_and_harms_nobody(server) -> None:
    def cancelled():
        text = server.client.get("/metrics").text
        return float(re.search(r"^cxr_cancelled_total (\S+)$", text, re.MULTILINE)[1])

    before = cancelled()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf a film")
    while cancelled() == before:  # pytest-timeout ends a service that never notices
        pass

    assert server.client.post("/predict", content=FILM).status_code == 200


def test_the_log_is_one_json_object_a_line_with_the_requests_id(start, tiny_models) -> None:
    server = start(tiny_models)
    server.client.post("/predict", content=FILM, headers={"X-Request-ID": "film-9"})
    server.terminate()
    events = [json.loads(line) for line in server.lines]

    assert [event["request_id"] for event in events if event["event"] == "request_finished"] == ["film-9"]
    assert {"bundle_loaded", "service_ready", "Waiting for application startup."} <= {
        event["event"] for event in events
    }


def test_sigterm_lets_requests_in_flight_finish_and_exits_with_success(start, tiny_models) -> None:
    server = start(tiny_models)
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(FILM)}\r\n\r\n".encode()
    connection.sendall(head + FILM[:-1])
    server.client.get("/livez")  # the request above has arrived before this one was answered
    server.process.send_signal(signal.SIGTERM)
    server.wait_until_it_says("Waiting for connections")
    connection.sendall(FILM[-1:])
    answer = b"".join(iter(lambda: connection.recv(65536), b""))
    connection.close()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert server.wait() == 0


def test_no_process_outlives_a_service_that_is_killed(start, tiny_models) -> None:
    server = start(tiny_models)
    server.client.post("/predict", content=compressed_film(phantom(64, 48, seed=2), "1.2.840.10008.1.2.4.70"))
    children = [int(child) for path in tasks(server.process.pid) for child in path.read_text().split()]
    server.process.kill()
    server.wait()

    assert len(children) >= 2  # where bundles are proved, and where films are decoded
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "they have ended")


def tasks(process):
    return Path(f"/proc/{process}/task").glob("*/children")


@pytest.mark.parametrize("moment", ["start", "later"])
def test_sigterm_ends_the_service_while_a_bundle_never_ends(tmp_path, moment) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    settings = {"models_dir": tmp_path, "model": "tiny", "model_poll_s": 0.05, "shutdown_grace_s": 30}
    if moment == "start":
        looping(write_tiny_bundle(tmp_path, version="2.0.0"))
    server = resilience.Server(load_timeout_s=600, **settings)
    if moment == "later":
        server.wait_until_ready()
        looping(write_tiny_bundle(tmp_path, version="2.0.0"))
    wait_until(lambda: server.provers, "the bundle is being proved")
    server.terminate()

    assert server.process.wait(60) == 0  # 1, where the grace had to end it


def test_sigterm_ends_the_service_within_its_grace_while_a_run_of_the_network_hangs(tmp_path) -> None:
    lever = Lever(tmp_path / "lever")
    write_tiny_bundle(tmp_path / "models")
    settings = {"models_dir": tmp_path / "models", "deadline_ms": 500, "shutdown_grace_s": 2}
    with resilience.running(lever=lever.file, **settings) as server:
        lever.pull(Order.HOLD)
        server.ask("POST", "/predict", FILM)
        server.terminate()

        assert server.process.wait(30) == 1
    assert "exit_forced" in server.log


def test_a_refused_bundle_is_told_by_readyz_and_not_by_a_dead_process(start, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    (directory / "golden.npz").unlink()
    server = start(tmp_path)

    assert not any("service_ready" in line for line in server.lines)
    assert server.client.get("/livez").status_code == 200
    assert "golden.npz is missing" in server.client.get("/readyz").json()["detail"]
    assert server.client.post("/predict", content=flat_film(200)).status_code == 503


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"CXR_PROT": "1"}, "nearest name is CXR_PORT"),
        ({"CXR_HOST": "0.0.0.0"}, "CXR_ALLOW_ANONYMOUS=true"),
        ({"CXR_PROVIDER": "cuda"}, "CXR_PROVIDER=cpu"),
    ],
)
def test_settings_that_cannot_be_honoured_end_the_start_with_the_remedy(settings, remedy) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 2
    assert remedy in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"CXR_DICOMWEB": "true", "CXR_SPOOL_URL": "postgres://svc:swordfish@127.0.0.1:1/x"},
            "CXR_SPOOL_URL names no database that can be opened",
        ),
        ({"CXR_AUDIT_FILE": "/proc/none/audit.jsonl"}, "CXR_AUDIT_FILE /proc/none/audit.jsonl: No such file"),
    ],
)
def test_a_setting_that_is_refused_while_the_app_starts_is_one_sentence_without_a_password(
    tiny_models, settings, reason
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"CXR_MODELS_DIR": str(tiny_models), "CXR_PORT": "0"} | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 2
    assert f"refused to start: {reason}" in ended.stderr
    assert not [word for word in ("Traceback", "swordfish") if word in ended.stderr + ended.stdout]


def test_no_process_of_the_service_leaves_a_core_file_with_films(server) -> None:
    server.client.post("/predict", content=compressed_film(phantom(64, 48, seed=2), "1.2.840.10008.1.2.4.70"))
    processes = {
        server.process.pid,
        *(int(pid) for path in tasks(server.process.pid) for pid in path.read_text().split()),
    }
    limits = {Path(f"/proc/{process}/limits").read_text() for process in processes}

    assert [re.findall(r"Max core file size +(\d+) +(\d+)", limit) for limit in limits] == [[("1", "1")]] * len(limits)


def test_a_port_that_is_taken_ends_the_start(server, tiny_models) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"CXR_PORT": str(server.port), "CXR_MODELS_DIR": str(tiny_models)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode != 0
    assert "address already in use" in ended.stderr


def test_ctrl_c_ends_the_service_with_success(start, tiny_models) -> None:
    server = start(tiny_models)
    server.process.send_signal(signal.SIGINT)

    assert server.wait() == 0


def test_the_service_loads_neither_torch_nor_the_trainer_nor_the_exporter() -> None:
    program = "import sys, service.app; print(sorted({name.partition('.')[0] for name in sys.modules}))"

    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert "fastapi" in printed
    assert not {"torch", "trainer", "export", "timm", "onnx"} & set(re.findall(r"'(\w+)'", printed))


def test_products_of_matrices_have_no_threads_that_spin_beside_the_films() -> None:
    pools = "{pool['num_threads'] for pool in threadpoolctl.threadpool_info()}"
    look = f"import service.__main__, service.serve, threadpoolctl; print({pools})"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}

    found = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "{1}"
