"""SIGKILL to the real server process around a correction: nothing is lost, nothing is sent twice."""

import signal

import pytest

from tests.service.dicomweb.films import film, stow, uid
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.process

KOS = "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture
def start(tiny_models, spool_url, archive):
    servers = []

    def started():
        servers.append(Server(tiny_models, dicomweb="true", spool_url=spool_url, pacs_url=archive.url))
        return servers[-1]

    yield started
    archive.may_answer.set()
    for server in servers:
        server.end()


def kill(server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()


def store(server, gray) -> None:
    assert server.client.post("/dicomweb/studies", **stow(film(gray=gray))).status_code == 200


def reach(server, state, version) -> None:
    def reached():
        body = server.client.get(f"/results/{uid('film')}").json()
        return (body["state"], body["version"]) == (state, version)

    wait_until(reached, f"version {version} {state}")


def kinds(archive):
    return sorted(each.Modality for each in archive.instances)


def test_a_correction_that_was_answered_is_delivered_with_its_rejection_note_after_a_kill(start, archive) -> None:
    server = start()
    store(server, 200)
    reach(server, "delivered", 1)
    archive.may_answer.clear()
    store(server, 60)
    archive.wait_for(4)  # something of the second version is there, and the service does not know it
    kill(server)
    archive.may_answer.set()
    again = start()
    reach(again, "delivered", 2)

    assert kinds(archive) == ["KO", "OT", "PR", "SR", "SR"]
    assert set(archive.stored.values()) == {1}


def test_a_correction_while_the_first_results_are_on_their_way_withdraws_them_after_a_kill(start, archive) -> None:
    archive.may_answer.clear()
    server = start()
    store(server, 200)
    archive.wait_for(3)
    store(server, 60)
    kill(server)
    archive.may_answer.set()
    again = start()
    wait_until(lambda: "KO" in kinds(archive), "the rejection note")
    reach(again, "delivered", 2)

    assert kinds(archive) == ["KO", "OT", "PR", "SR", "SR"]
    assert set(archive.stored.values()) == {1}


def test_a_withdrawal_that_was_answered_reaches_the_archive_after_a_kill(start, archive) -> None:
    server = start()
    store(server, 200)
    reach(server, "delivered", 1)
    archive.may_answer.clear()
    answer = server.client.post(f"/results/{uid('film')}/withdraw", json={"reason": "quality"})
    assert (answer.status_code, answer.json()["state"]) == (202, "withdrawn")
    kill(server)
    archive.may_answer.set()
    reach(start(), "withdrawn", 1)
    wait_until(lambda: "KO" in kinds(archive), "the rejection note")

    assert kinds(archive) == ["KO", "OT", "PR", "SR"]
    assert set(archive.stored.values()) == {1}
