"""Rules of what systemd is told: `Type=notify`, its watchdog, and the time that an end may take."""

import signal
import socket

import pytest

from service.notification import Notification
from tests.service.server import Server
from tests.waiting import wait_until


class Listening:
    """The socket that systemd listens on."""

    def __init__(self, address) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)  # noqa: FBT003 the name is the library's

    def messages(self):
        received = []
        while True:
            try:
                received.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return received

    def end(self) -> None:
        self._socket.close()


@pytest.fixture
def listening(tmp_path):
    made = Listening(str(tmp_path / "notify"))
    yield made
    made.end()


def test_without_a_supervisor_nothing_is_sent() -> None:
    Notification.from_environment({}).ready()


def test_children_do_not_inherit_the_address(listening, tmp_path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    Notification.from_environment(environment).stopping(40)

    assert environment == {}
    assert listening.messages() == ["STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000"]


def test_an_address_that_begins_with_at_is_an_abstract_one() -> None:
    listening = Listening("\0cxr-test-notification")
    Notification("@cxr-test-notification").ready()

    assert listening.messages() == ["READY=1"]
    listening.end()


def test_a_supervisor_that_has_gone_disturbs_nobody(tmp_path) -> None:
    Notification(str(tmp_path / "gone")).alive()


@pytest.mark.process
def test_the_service_reports_that_it_listens_lives_and_ends(listening, tmp_path, tiny_models, monkeypatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    server = Server(tiny_models, drain_s=0.5, shutdown_grace_s=20)
    received: list[str] = []

    def is_alive() -> bool:
        received.extend(listening.messages())
        return "WATCHDOG=1" in received

    wait_until(is_alive, "it is alive")
    server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    server.client.close()

    assert received[0] == "READY=1"
    assert "STOPPING=1\nEXTEND_TIMEOUT_USEC=25500000" in received + listening.messages()
