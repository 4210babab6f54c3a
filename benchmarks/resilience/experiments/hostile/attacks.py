"""Callers who ask for the event loop, the connections or the bytes of all others, while one caller does its work."""

import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from benchmarks.resilience.load import films, written
from benchmarks.resilience.server import Server, running
from benchmarks.resilience.table import Row
from tests.service.attacks import ATTACKS, Attack

_LONGEST_S = 0.25
_UPLOADS = 8
_BODY_BYTES = 64 * 1024 * 1024
_CONNECTIONS = 1500
_RELEASED_S = 12.0
"""Two windows of the least pace, and some."""


def attacks(folder: Path) -> list[Row]:
    """Each attack against one server, with a caller beside it who asks /livez again and again."""
    with running(dicomweb=True, spool_url=f"sqlite:///{folder}/spool/spool.db") as server:
        rows = [_request(server, name) for name in ATTACKS]
        rows += _held_uploads(server)
        rows += _held_connections(server)
        rows.append(_unread(server))
    return rows


class _Pulse:
    """Asks /livez on one connection until it is over; the longest answer is how long nobody was answered."""

    def __init__(self, server: Server) -> None:
        self.longest_s = 0.0
        self._over = threading.Event()
        self._server = server
        self._thread = threading.Thread(target=self._beat)

    def _beat(self) -> None:
        while not self._over.wait(0.01):
            start = time.perf_counter()
            self._server.status("/livez")
            self.longest_s = max(self.longest_s, time.perf_counter() - start)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _request(server: Server, name: str) -> Row:
    attack = ATTACKS[name]()
    with _Pulse(server) as pulse:
        status = _sent(server, attack)
    value = f"{status}; {pulse.longest_s * 1e3:.0f} ms"
    limit = f"{' or '.join(map(str, attack.statuses))}; < {_LONGEST_S * 1e3:.0f} ms"
    kept = status in attack.statuses and pulse.longest_s < _LONGEST_S
    return Row(f"attack, {name}", "its status; longest /livez", value, limit, kept, timing=status in attack.statuses)


def _sent(server: Server, attack: Attack) -> int:
    """Status of the answer; 0 where there was none. The service may answer before it has read everything."""
    request = written(attack.method, attack.address, attack.body, attack.headers)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        with suppress(OSError):
            connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
        except (OSError, http.client.HTTPException):
            return 0
        return answer.status


@contextmanager
def _connections(server: Server, count: int, start: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent `start`, and nothing more."""
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            held.append(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            with suppress(OSError):
                held[-1].sendall(start)
        yield held
    finally:
        for connection in held:
            connection.close()


def _held_uploads(server: Server) -> list[Row]:
    head = written("POST", "/predict", b"", {"X-Deadline-Ms": "600000", "Content-Type": "image/png"})
    head = head.replace(b"Content-Length: 0", f"Content-Length: {_BODY_BYTES}".encode())
    with _Pulse(server) as pulse, _connections(server, _UPLOADS, head + bytes(_BODY_BYTES - 1)) as held:
        start = time.perf_counter()
        status = server.ask("POST", "/predict", films(1)[0], {"Content-Type": "image/jpeg"})[0]
        for connection in held:
            with suppress(OSError):
                while connection.recv(65_536):
                    pass
        released_s = time.perf_counter() - start
    name = f"attack, {_UPLOADS} uploads of 64 MiB that stop one byte before their end"
    in_time = released_s < _RELEASED_S and pulse.longest_s < _LONGEST_S
    value = f"{released_s:.1f} s; {pulse.longest_s * 1e3:.0f} ms"
    return [
        Row(name, "a film of the same caller", str(status), "200", status == 200),
        Row(name, "all ended after; longest /livez", value, f"< {_RELEASED_S:g} s; < 250 ms", in_time, timing=True),
    ]


def _held_connections(server: Server) -> list[Row]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rows = []
    for kind, start in (("idle", b""), ("half-sent", b"POST /predict HTTP/1.1\r\nX: a")):
        with _connections(server, _CONNECTIONS, start) as held:
            asked = time.perf_counter()
            status = server.ask("POST", "/predict", films(1)[0], {"Content-Type": "image/jpeg"})[0]
            seconds = time.perf_counter() - asked
            open_files = server.descriptors
            for connection in held:
                connection.settimeout(20)
                with suppress(OSError):
                    while connection.recv(65_536):
                        pass
            released_s = time.perf_counter() - asked
        name = f"attack, {_CONNECTIONS} {kind} connections"
        value = f"{status} in {seconds:.2f} s; {open_files} files"
        rows.append(Row(name, "a film; open files", value, "200; < 1100", status == 200 and open_files < 1100))
        rows.append(
            Row(name, "all closed after", f"{released_s:.1f} s", "< 12 s", released_s < _RELEASED_S, timing=True)
        )
    return rows


def _unread(server: Server) -> Row:
    """Callers who ask for an answer of 7 MB and read none of it."""
    before = server.memory_mb
    with _connections(server, 50, written("GET", "/sample", b"", {})):
        with _Pulse(server) as pulse:
            time.sleep(2)
        status = server.status("/livez")
        growth_mb = server.memory_mb - before
    sound = status == 200 and growth_mb < 150
    kept = sound and pulse.longest_s < _LONGEST_S
    value = f"{status}; {pulse.longest_s * 1e3:.0f} ms; {growth_mb:.0f} MB"
    limit = "200; < 250 ms; < 150 MB"
    return Row("attack, 50 answers that nobody reads", "/livez; longest; growth", value, limit, kept, timing=sound)
