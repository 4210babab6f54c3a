"""A WebSocket that only listens: what breaks the protocol ends the connection, and it is opened again."""

import json
import socket
import ssl
import threading
from urllib.parse import urlsplit

import pytest

from service.worklist.channel import LARGEST_MESSAGE_BYTES, Channel, Connection
from tests.service.worklist.origin_server import OriginServer, frame
from tests.waiting import wait_until


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield Connection(ours), theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        b"x" * 20000,
    ],
)
def test_what_does_not_answer_as_a_websocket_is_left(pair, answer) -> None:
    connection, theirs = pair
    theirs.sendall(answer)

    with pytest.raises(ValueError):  # noqa: PT011 nothing of the answer is told
        connection.shake_hands(urlsplit("ws://host/path?query"), {"Authorization": "Bearer secret"})
    asked = theirs.recv(4096).decode()
    assert asked.startswith("GET /path?query HTTP/1.1\r\nHost: host\r\n")
    assert "Authorization: Bearer secret\r\n" in asked


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\x81\x85mask12345", ValueError),
        (b"\x81\x7f" + (LARGEST_MESSAGE_BYTES + 1).to_bytes(8), ValueError),
        (b"\x82\x01x", ValueError),
        (frame(0x8, b""), ConnectionAbortedError),
    ],
    ids=["masked", "too large", "binary", "closed"],
)
def test_frames_that_cannot_be_taken_end_the_connection(pair, content, error) -> None:
    connection, theirs = pair
    theirs.sendall(content)

    with pytest.raises(error):
        connection.message()


def test_a_long_message_and_the_end_of_the_stream(pair) -> None:
    connection, theirs = pair
    theirs.sendall(frame(0x1, b"a" * 1000))
    assert connection.message() == b"a" * 1000
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionResetError):
        connection.message()


def test_silence_is_met_with_a_ping_and_a_second_one_ends(pair) -> None:
    connection, theirs = pair
    connection._peer.settimeout(0.05)

    with pytest.raises(TimeoutError):
        connection.message()
    assert theirs.recv(2) == b"\x89\x80"


def test_a_connection_that_breaks_is_opened_again() -> None:
    server = OriginServer()
    heard: list[str] = []
    channel = Channel(server.url, ssl.create_default_context(), dict, heard.append)
    address = f"ws{server.url.removeprefix('http')}/ws/subscribers/CXR"
    channel.listen(address)
    channel.listen(address)
    try:
        wait_until(lambda: len(server.channels.get("CXR", [])) == 1, "connected")
        server.channels["CXR"][0].sendall(frame(0x1, b"no JSON at all"))
        wait_until(lambda: len(server.channels["CXR"]) == 2, "connected again")
        report = {"00001000": {"vr": "UI", "Value": ["1.2.3"]}, "00001002": {"vr": "US", "Value": [2]}}
        other = report | {"00001002": {"vr": "US", "Value": [1]}, "00001000": {"vr": "UI", "Value": ["1.2.4"]}}
        for each in (other, report):
            server.channels["CXR"][1].sendall(frame(0x1, json.dumps(each).encode()))
        wait_until(lambda: heard == ["1.2.3"], "heard of the request alone")
    finally:
        channel.stop()
        server.close()
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "channel"], "ended")
