"""Rules of one connection, spoken to byte by byte."""

import contextlib
import json
import socket
import time

import pytest

from tests.service.conftest import flat_film
from tests.service.server import Server
from tests.waiting import wait_until

FILM = flat_film(200)
LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(tiny_models):
    running = Server(tiny_models, header_timeout_s=1, max_connections=8, max_header_bytes=20_000, upload_timeout_s=1)
    yield running
    running.end()


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def sent(connection, data):
    with contextlib.suppress(OSError):  # the service may have answered and closed before it had read everything
        connection.sendall(data)


def answer(connection):
    """Status, headers and body of all that arrives until the service closes."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), body


def problem(connection):
    status, headers, body = answer(connection)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"] == json.loads(body)["request_id"]
    assert json.loads(body)["status"] == status
    return status, json.loads(body)["code"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * 30_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"X: a\r\n" * 201 + b"\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"X: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000 + b"\r\n",
        b"GET /" + b"a" * 30_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * 2_000_000,
        b"GET /livez HTTP/1.1\r\n" + b"a" * 2_000_000,
        b"GET /" + b"a" * 2_000_000,
    ],
)
def test_a_head_that_is_too_large_is_refused_as_a_problem(server, data) -> None:
    with connected(server) as connection:
        sent(connection, data)

        assert problem(connection) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /livez HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_as_a_problem(server, data) -> None:
    with connected(server) as connection:
        sent(connection, data)

        assert problem(connection) == (400, "malformed_request")


def test_headers_up_to_the_limit_are_read(server) -> None:
    with connected(server) as connection:
        sent(connection, LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\nX: " + b"a" * 19_000 + b"\r\n\r\n"))

        assert answer(connection)[0] == 200


def test_headers_after_a_body_are_not_the_requests_and_have_a_limit_too(server) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = f"{len(FILM):x}\r\n".encode() + FILM + b"\r\n0\r\n"
    with connected(server) as connection:
        sent(connection, head + body + b"X-Request-ID: smuggled\r\n\r\n")
        sent(connection, LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    with connected(server) as connection:
        start = time.perf_counter()
        sent(connection, head + body + b"X: " + b"a" * 5_000_000)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65_536):
                pass

    assert received.count(b"HTTP/1.1 200") == 2
    assert b"smuggled" not in received
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize("data", [b"", b"\r\n", b"GET /livez HTTP/1.1\r\nX: a"])
def test_a_connection_without_a_request_is_closed(server, data) -> None:
    start = time.perf_counter()
    with connected(server) as connection:
        sent(connection, data)
        received = connection.recv(65_536)
        seconds = time.perf_counter() - start

    assert received.startswith(b"HTTP/1.1 408 Request Timeout") == data.startswith(b"GET")
    assert 0.5 < seconds < 30


def test_a_connection_that_was_answered_and_then_sends_half_a_request_is_closed(server) -> None:
    with connected(server) as connection:
        sent(connection, LIVE)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        sent(connection, LIVE[:20])

        assert problem(connection) == (408, "upload_too_slow")


@pytest.mark.parametrize("address", ["/predict", "/predict/batch"])
def test_a_body_that_stops_before_its_end_is_refused_whatever_deadline_it_has(server, address) -> None:
    head = f"POST {address} HTTP/1.1\r\nHost: localhost\r\nX-Deadline-Ms: 600000\r\nContent-Length: {len(FILM)}\r\n\r\n"
    with connected(server) as connection:
        sent(connection, head.encode() + FILM[:-1])

        assert problem(connection) == (408, "upload_too_slow")


def test_more_connections_than_the_limit_take_the_place_of_those_that_wait_longest(server) -> None:
    held = [connected(server) for _ in range(12)]
    try:
        with connected(server) as connection:
            sent(connection, LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

            assert answer(connection)[0] == 200
    finally:
        for each in held:
            each.close()


def test_requests_sent_ahead_of_their_answers_have_a_limit(server) -> None:
    few = LIVE * 20 + LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    received = b""
    with connected(server) as connection:
        sent(connection, few)
        while piece := connection.recv(65_536):
            received += piece
    with connected(server) as connection:
        start = time.perf_counter()
        sent(connection, b"GET / HTTP/1.1\r\n\r\n" * 100_000)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65_536):
                pass

    assert received.count(b"HTTP/1.1 200") == 21
    assert time.perf_counter() - start < 30


@pytest.mark.process
def test_bodies_that_have_stopped_make_room_for_a_new_caller(tiny_models) -> None:
    slow = Server(tiny_models, max_connections=8, upload_timeout_s=600, min_upload_bytes_s=0)
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Deadline-Ms: 600000\r\nContent-Length: 100\r\n\r\n"
    held = [connected(slow) for _ in range(8)]
    try:
        for each in held:
            sent(each, head)

        def live():
            with connected(slow) as connection:
                sent(connection, LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                return answer(connection)[0] == 200

        wait_until(live, "a new caller is answered")
    finally:
        for each in held:
            each.close()
        slow.end()
