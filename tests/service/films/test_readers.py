"""Films are read in processes: as in threads, and whatever becomes of a process."""

import os
import pickle
import re
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from imaging.phantom import phantom
from schemas import errors
from service.settings import load_settings
from tests.films import encode
from tests.imaging.compressed import compressed_film
from tests.service.bundles import write_tiny_bundle
from tests.service.server import Server
from tests.waiting import wait_until

FILM = encode(phantom(60, 50, seed=1), ".png")
JPEG_LS = "1.2.840.10008.1.2.4.80"


@pytest.fixture
def start(tiny_models):
    servers = []

    def started(models=tiny_models, **settings):
        servers.append(Server(models, **settings))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


def children(process):
    listed = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for path in listed for child in path.read_text().split()]


def holder(server):
    """The process that holds the network: the only grandchild that has children of its own."""
    grandchildren = [found for child in children(server.process.pid) for found in children(child)]
    (found,) = [process for process in grandchildren if children(process)]
    return found


def parent(process):
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"^PPid:\s+(\d+)$", status, re.MULTILINE)[1])


@contextmanager
def no_memory(nursery):
    """Processes that are forked meanwhile find no memory for a network, and end."""
    unlimited = resource.prlimit(nursery, resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))
    yield
    resource.prlimit(nursery, resource.RLIMIT_AS, unlimited)


def deaths(server):
    text = server.client.get("/metrics").text
    return float(re.search(r"^cxr_decode_worker_deaths_total (\S+)$", text, re.MULTILINE)[1])


def answer(server, address, content):
    found = server.client.post(address, content=content).json()
    return {name: part for name, part in found.items() if name not in {"request_id", "timings_ms"}}


def test_a_film_is_answered_as_threads_answer_it(start) -> None:
    by_processes, by_threads = start(film_processes=2), start(film_processes=0)
    jpeg_ls = compressed_film(phantom(64, 48, seed=2), JPEG_LS)

    for film in (FILM, encode(phantom(600, 500, seed=3), ".jpg"), jpeg_ls, b"no film"):
        for address in ("/predict", "/explain"):
            assert answer(by_processes, address, film) == answer(by_threads, address, film)


def test_a_process_that_was_killed_while_it_was_idle_costs_no_film(start) -> None:
    server = start(film_processes=1)
    for process in children(holder(server)):
        os.kill(process, signal.SIGKILL)

    assert server.client.post("/predict", content=FILM).status_code == 200
    assert deaths(server) == 1


def test_the_network_is_loaded_again_where_its_process_is_gone(start) -> None:
    server = start(film_processes=1)
    os.kill(holder(server), signal.SIGKILL)

    assert server.client.post("/predict", content=FILM).status_code == 200
    assert server.client.post("/predict", content=FILM, headers={"X-Priority": "stat"}).status_code == 200
    assert server.client.get("/livez").status_code == 200


def test_a_network_that_found_no_memory_is_loaded_with_the_next_film_that_comes_when_there_is_some(start) -> None:
    server = start(film_processes=1)
    network = holder(server)
    with no_memory(parent(network)):
        os.kill(network, signal.SIGKILL)
        refused = server.client.post("/predict", content=FILM)
        alive = server.client.get("/livez")

    assert (refused.status_code, refused.json()["type"].rsplit(":")[-1]) == (500, "inference_failed")
    assert "the process that loads its network ended" in refused.json()["detail"]
    assert alive.status_code == 503
    assert server.client.post("/predict", content=FILM).status_code == 200
    assert server.client.get("/livez").status_code == 200


def test_a_bundle_whose_network_finds_no_memory_is_refused(tmp_path, start) -> None:
    write_tiny_bundle(tmp_path)
    server = start(tmp_path, film_processes=1)
    write_tiny_bundle(tmp_path, version="2.0.0", current=False)
    with no_memory(parent(holder(server))):
        refused = server.client.post("/models/tiny/2.0.0/activate")

    assert refused.status_code == 409
    assert "the process that loads its network ended; see memory" in refused.json()["detail"]
    assert server.client.post("/predict", content=FILM).json()["model"]["version"] == "1.0.0"


@pytest.fixture
def replaced(tmp_path, start):
    """A server whose first bundle was replaced by the second, and has let its processes end."""
    write_tiny_bundle(tmp_path)
    server = start(tmp_path, film_processes=1)
    first = holder(server)
    write_tiny_bundle(tmp_path, version="2.0.0", current=False)
    server.client.post("/models/tiny/2.0.0/activate")
    wait_until(lambda: not Path(f"/proc/{first}").exists(), "the bundle before lets its processes end")
    return server


def test_after_a_rollback_processes_are_there_before_the_first_film_and_none_counts_as_lost(replaced) -> None:
    server = replaced
    second = holder(server)

    assert server.client.post("/models/rollback").json()["version"] == "1.0.0"
    wait_until(lambda: not Path(f"/proc/{second}").exists(), "so does the other")
    assert len(children(holder(server))) == 2
    for priority in ("routine", "stat"):
        assert server.client.post("/predict", content=FILM, headers={"X-Priority": priority}).status_code == 200
    assert deaths(server) == 0
    assert "film_process_died" not in "".join(server.lines)


def test_a_rollback_whose_processes_find_no_memory_is_refused_and_the_other_bundle_serves_on(replaced) -> None:
    server = replaced
    with no_memory(parent(holder(server))):
        refused = server.client.post("/models/rollback")

    assert (refused.status_code, refused.json()["type"]) == (409, "urn:cxr:problem:bundle_rejected")
    assert server.client.get("/livez").status_code == 200
    assert server.client.post("/predict", content=FILM).json()["model"]["version"] == "2.0.0"
    assert server.client.post("/models/rollback").status_code == 200
    assert server.client.post("/predict", content=FILM).json()["model"]["version"] == "1.0.0"


def test_a_service_that_can_start_no_process_any_more_asks_for_a_restart(start) -> None:
    server = start(film_processes=1)
    for child in children(server.process.pid):  # those behind them end with them
        os.kill(child, signal.SIGKILL)

    assert server.client.post("/predict", content=FILM).status_code >= 500
    assert server.client.get("/livez").status_code == 503


def test_no_process_is_left_behind(start) -> None:
    server = start(film_processes=2)
    readers = children(holder(server))
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()

    assert len(readers) == 3
    wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in readers), "they end")


def test_the_queue_is_empty_once_its_films_are_answered(start) -> None:
    server = start(film_processes=1)
    server.client.post("/predict", content=FILM)
    server.client.post("/predict", content=b"no film")
    metrics = server.client.get("/metrics").text

    assert re.search(r"^cxr_queue_depth(\{\S*\})? 0.0$", metrics, re.MULTILINE)
    assert re.search(r"^cxr_images_total(\{\S*\})? 1.0$", metrics, re.MULTILINE)


@pytest.mark.parametrize(
    "other", [{"CXR_INTRA_OP_THREADS": "2"}, {"CXR_MAX_BATCH_SIZE": "2"}, {"CXR_PROVIDER": "cuda"}]
)
def test_processes_have_one_thread_each_and_no_batches(monkeypatch, other) -> None:
    for name, value in other.items():
        monkeypatch.setenv(name, value)
    assert load_settings().engine.processes == 0
    monkeypatch.setenv("CXR_FILM_PROCESSES", "2")
    with pytest.raises(errors.SettingsError, match="CXR_FILM_PROCESSES is 2"):
        load_settings()


@pytest.mark.parametrize(
    "kind", [errors.InvalidImageError, errors.ImageTooLargeError, errors.NotARadiographError, errors.InferenceError]
)
def test_a_refusal_survives_the_way_from_a_process(kind) -> None:
    refusal = pickle.loads(pickle.dumps(kind("the reason")))

    assert (type(refusal), str(refusal), refusal.code) == (kind, "the reason", kind.code)
