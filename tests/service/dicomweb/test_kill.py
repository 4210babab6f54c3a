"""SIGKILL to the real server process: what was answered with 200 is delivered after the next start, exactly once."""

import signal

import pytest

from tests.service.dicomweb.films import film, stow, uid
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.process

NAMES = [f"film {number}" for number in range(6)]


@pytest.fixture
def start(tiny_models, spool_url, archive):
    servers = []

    def started(**settings):
        servers.append(
            Server(tiny_models, dicomweb="true", spool_url=spool_url, **({"pacs_url": archive.url} | settings))
        )
        return servers[-1]

    yield started
    archive.may_answer.set()
    for server in servers:
        server.end()


def kill(server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()


def store(server, names=NAMES) -> None:
    response = server.client.post("/dicomweb/studies", **stow(*map(film, names)))
    assert response.status_code == 200


def states(server):
    return {entry["sop_instance_uid"]: entry["state"] for entry in server.client.get("/results").json()["results"]}


def delivered(server, names=NAMES) -> None:
    wait_until(lambda: states(server) == {uid(name): "delivered" for name in names}, "every film delivered")


def each_result_once(archive, films):
    return len(archive.stored) == 3 * films and set(archive.stored.values()) == {1}


def test_films_that_were_answered_and_not_yet_worked_on_are_delivered_after_the_next_start(start, archive) -> None:
    server = start()
    store(server)
    kill(server)
    delivered(start())

    assert each_result_once(archive, len(NAMES))


def test_films_in_the_middle_of_their_analysis_are_delivered_after_the_next_start(start, archive) -> None:
    server = start(decode_workers=1)
    store(server)
    wait_until(lambda: "analysed" in states(server).values() or archive.stored, "the first of several analyses")
    kill(server)
    delivered(start())

    assert each_result_once(archive, len(NAMES))


@pytest.mark.clause("IHE AIR RAD-108", "after SIGKILL results are stored once")
def test_results_that_the_archive_has_stored_without_our_knowing_are_not_sent_again(start, archive) -> None:
    archive.may_answer.clear()
    server = start()
    store(server, NAMES[:1])
    archive.wait_for(3)
    kill(server)
    archive.may_answer.set()
    again = start()
    delivered(again, NAMES[:1])

    counted = 'cxr_pacs_deliveries_total{result="already_there"} 1.0'
    wait_until(lambda: counted in again.client.get("/metrics").text, "counted, which follows the state")

    assert each_result_once(archive, 1)


def test_a_server_that_is_terminated_ends_in_order_and_keeps_what_waits(start, archive) -> None:
    archive.answers = [(503, {})] * 100
    server = start()
    store(server, NAMES[:1])
    wait_until(lambda: server.client.get(f"/results/{uid(NAMES[0])}").json()["attempts"] > 0, "a delivery failed")
    assert server.terminate() == 0
    archive.answers.clear()
    delivered(start(), NAMES[:1])

    assert each_result_once(archive, 1)


def test_the_log_names_no_film_and_results_pass_no_proxy(start, archive, monkeypatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    server = start()
    store(server)
    delivered(server)
    server.terminate()

    said = "".join(server.lines)
    assert "service_started" in said or "running on" in said
    assert not [name for name in NAMES if uid(name) in said]
    assert "1.2.826.0.1" not in said
    assert each_result_once(archive, len(NAMES))
