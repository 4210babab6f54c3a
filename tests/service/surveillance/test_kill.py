"""SIGKILL to the real server process: a stop, and what readers said, is there again after the next start."""

import signal

import pytest

from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film, stow, uid
from tests.service.server import Server
from tests.service.surveillance.site import recorded, write_limits
from tests.waiting import wait_until

pytestmark = pytest.mark.process

WRONG = [f"wrong {number}" for number in range(4)]


@pytest.fixture
def start(tiny_models, spool_url, log, tmp_path):
    servers = []

    def started():
        limits = write_limits(tmp_path)
        servers.append(
            Server(
                tiny_models,
                dicomweb="true",
                spool_url=spool_url,
                stop_limits=limits,
                audit_file=log,
                audit_sync="false",
            )
        )
        return servers[-1]

    yield started
    for server in servers:
        server.end()


def kill(server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()


def judge(server, names) -> None:
    for name in names:
        answer = server.client.post(f"/results/{uid(name)}/verdict", json={"verdict": "reject"})
        assert answer.status_code == 200, answer.text


def all_read(server):
    return server.client.get("/monitoring").json()["readings"] == len(WRONG)


def test_a_killed_service_is_suspended_again_and_counts_on(start, log) -> None:
    server = start()
    assert server.client.post("/dicomweb/studies", **stow(*map(film, WRONG))).status_code == 200
    wait_until(lambda: all_read(server), "every film read")
    judge(server, WRONG[:3])
    kill(server)

    server = start()
    before = server.client.get("/monitoring").json()
    judge(server, WRONG[3:])
    kill(server)  # the answer to the verdict that stops it has left

    server = start()
    after = server.client.get("/monitoring").json()
    answer = server.client.post("/predict", files={"file": flat_film(200)}).json()["prediction"]

    assert (before["suspended"], before["verdicts"]) == (False, 3)
    assert (after["suspended"], after["verdicts"]) == (True, 4)
    assert after["suspension"]["wrong"] == 4
    assert answer["abstention_reasons"] == ["suspended"]
    assert "suspended" in server.client.get("/readyz").json()
    assert len(recorded(log, "verdict")) == 4
    assert len(recorded(log, "suspended")) == 1
