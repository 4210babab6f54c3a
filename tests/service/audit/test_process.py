"""Rules of the log of the real server process: killed, or on a disk that is full for a while."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from service.commands.audit import verify_log
from tests.service.audit.lines import records
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film as dicom_film
from tests.service.dicomweb.films import stow, uid
from tests.service.disk import NEVER_FULL, fill_disk
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.process

FILM = flat_film(200)


@pytest.fixture
def start(tiny_models):
    servers = []

    def started(**settings):
        servers.append(Server(tiny_models, **settings))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


def test_every_film_that_was_answered_before_a_kill_is_in_the_log_and_the_chain_goes_on(start, log) -> None:
    server = start(audit_file=log)
    answered = []

    def ask(number) -> None:
        try:
            response = server.client.post("/predict", content=FILM, headers={"X-Request-ID": f"film-{number}"})
        except httpx2.TransportError:
            return
        answered.append(response.json()["request_id"])
        if len(answered) >= 60:  # of several threads that find it so, the first kills and the others find it dead
            server.process.send_signal(signal.SIGKILL)

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(ask, range(400)))
    server.wait()
    with log.open("ab") as stream:
        stream.write(b'{"at":"2026')  # what a kill in the middle of a line leaves
    again = start(audit_file=log)
    again.terminate()
    told = records(log)

    assert set(answered) <= {record.get("request_id") for record in told}
    assert [record["torn_bytes"] for record in told if "torn_bytes" in record] == [11]
    assert verify_log(log).head.sequence == len(told)


def test_films_are_refused_while_the_disk_of_the_log_is_full_and_answered_again_by_itself(start, log) -> None:
    server = start(audit_file=log)
    assert server.client.post("/predict", content=FILM).status_code == 200
    fill_disk(server.process.pid, log.stat().st_size + 40)
    refused = server.client.post("/predict", content=FILM)
    after = server.client.post("/predict", content=FILM)
    fill_disk(server.process.pid, NEVER_FULL)
    wait_until(lambda: server.client.get("/readyz").status_code == 200, "ready again")
    answered = server.client.post("/predict", content=FILM)
    server.terminate()

    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in (refused, after)] == [(503, "30")] * 2
    assert answered.status_code == 200
    events = [(record["event"], record.get("omitted")) for record in records(log)]
    assert events == [("started", None), ("film", None), ("resumed", 1), ("film", None), ("stopped", None)]
    assert verify_log(log).torn_bytes == 0


def test_films_that_wait_in_the_spool_outlast_a_full_disk_of_the_log(start, log, tmp_path) -> None:
    server = start(audit_file=log, dicomweb="true", spool_url=f"sqlite:///{tmp_path}/spool/spool.db")
    fill_disk(server.process.pid, log.stat().st_size)
    stored = server.client.post("/dicomweb/studies", **stow(dicom_film("film")))
    fill_disk(server.process.pid, NEVER_FULL)
    wait_until(lambda: server.client.get("/readyz").status_code == 200, "ready again")
    again = server.client.post("/dicomweb/studies", **stow(dicom_film("film")))
    wait_until(
        lambda: server.client.get(f"/results/{uid('film')}").json().get("state") == "analysed", "the film is analysed"
    )

    assert (stored.status_code, again.status_code) == (503, 200)


def test_a_full_disk_of_the_spool_refuses_films_with_a_time_to_come_back_and_loses_none(start, tmp_path) -> None:
    spool = tmp_path / "spool" / "spool.db"
    server = start(dicomweb="true", spool_url=f"sqlite:///{spool}", decode_workers=1)
    names = [f"film {number}" for number in range(60)]
    before = server.client.post("/dicomweb/studies", **stow(*map(dicom_film, names[:3])))
    fill_disk(server.process.pid, spool.stat().st_size)
    for sent in range(4, len(names) + 1):  # some may fit: SQLite's journal has room again after each housekeeping
        refused = server.client.post("/dicomweb/studies", **stow(dicom_film(names[sent - 1])))
        if refused.status_code != 200:
            break
    fill_disk(server.process.pid, NEVER_FULL)
    after = server.client.post("/dicomweb/studies", **stow(*map(dicom_film, names[:sent])))

    def states():
        listed = server.client.get("/results").json()["results"]
        return {entry["sop_instance_uid"]: entry["state"] for entry in listed}

    wait_until(lambda: states() == {uid(name): "analysed" for name in names[:sent]}, "every film analysed")
    assert (before.status_code, after.status_code) == (200, 200)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert "spool_unavailable" in refused.headers["Warning"]
    assert json.loads(refused.text)["00081198"]["Value"]
    assert server.terminate() == 0
