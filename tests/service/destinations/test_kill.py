"""SIGKILL to the real server process between two destinations of which one is down: nothing is lost or doubled."""

import signal
from collections import Counter

import pytest
import yaml

from tests.service.dicomweb.archive import FakeArchive
from tests.service.dicomweb.films import film, stow, uid
from tests.service.receiver import Receiver
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.process

NAMES = [f"film {number}" for number in range(6)]


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def away():
    """A port on which nobody listens."""
    server = Receiver()
    server.close()
    return server.port


@pytest.fixture
def second():
    server = FakeArchive()
    yield server
    server.close()


@pytest.fixture
def destinations(receiver, away, second, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    hook = {"kind": "webhook", "secret_file": str(secret)}
    rows = [
        hook | {"name": "chat", "url": receiver.url},
        hook | {"name": "down", "url": f"http://127.0.0.1:{away}"},
        {"name": "research", "kind": "dicomweb", "url": second.url},
    ]
    file = tmp_path / "destinations.yml"
    file.write_text(yaml.safe_dump({"destinations": rows}))
    return file


@pytest.fixture
def start(tiny_models, spool_url, destinations, receiver):
    servers = []

    def started():
        servers.append(Server(tiny_models, dicomweb="true", spool_url=spool_url, destinations=destinations))
        return servers[-1]

    yield started
    receiver.may_answer.set()
    for server in servers:
        server.end()


def kill(server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()


def states(server):
    return [
        {each["name"]: each["state"] for each in server.client.get(f"/results/{uid(name)}").json()["destinations"]}
        for name in NAMES
    ]


def all_are(server, expected):
    return all(each == expected for each in states(server))


def films_of(received):
    """How often each film was posted under which key."""
    posted = Counter((each.json["data"]["sop_instance_uid"], each.headers["webhook-id"]) for each in received)
    films = Counter(name for name, _ in posted)
    assert set(films) == set(map(uid, NAMES))
    return films


def test_each_film_reaches_each_destination_under_one_key_whenever_the_process_is_killed(
    start, receiver, second, away
) -> None:
    receiver.may_answer.clear()
    server = start()
    assert server.client.post("/dicomweb/studies", **stow(*map(film, NAMES))).status_code == 200
    wait_until(lambda: len(receiver.received) >= 2, "two webhooks in hand")
    kill(server)  # the receiver has them, and the service does not know
    receiver.may_answer.set()
    server = start()
    up = {"chat": "delivered", "down": "waiting", "research": "delivered"}
    wait_until(lambda: all_are(server, up), "all but what is down")
    kill(server)
    late = Receiver(port=away)
    try:
        server = start()
        wait_until(lambda: all_are(server, dict.fromkeys(up, "delivered")), "what was down too", timeout_s=250)
    finally:
        late.close()

    assert set(films_of(receiver.received).values()) == {1}  # a repetition has the same key
    assert set(films_of(late.received).values()) == {1}
    assert len(late.received) == len(NAMES)
    assert len(second.stored) == 3 * len(NAMES)
    assert set(second.stored.values()) == {1}
