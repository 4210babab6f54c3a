"""Callers who do not wait: their deadline passes, or they leave, while the engine is busy."""

import asyncio
import socket
from pathlib import Path

from benchmarks.resilience.lever import Lever, Order
from benchmarks.resilience.load import JPEG, Clients, films, statuses
from benchmarks.resilience.server import Server, running, until
from benchmarks.resilience.table import Row, counted

_BUSY = 2
_HURRIED = 20
_LEAVING = 10


async def deadlines(folder: Path) -> list[Row]:
    """An engine that is held; films with deadlines, and films whose callers leave, wait behind two others."""
    lever = Lever(folder / "lever")
    body = films()[0]
    with running(lever=lever.file, concurrent_runs=_BUSY, max_batch_size=1) as server:
        clients = Clients(server.port)
        warmed = lever.films
        lever.pull(Order.HOLD)
        busy = [asyncio.create_task(clients.post("/predict", body)) for _ in range(_BUSY)]
        await asyncio.to_thread(until, lambda: lever.films == warmed + _BUSY, "the engine is busy")
        allowed_ms = [200 + 40 * number for number in range(_HURRIED)]
        hurried = [clients.post("/predict", body, JPEG | {"X-Deadline-Ms": str(wait)}) for wait in allowed_ms]
        answers = await asyncio.gather(*hurried)
        late_ms = [1e3 * answer.seconds - wait for answer, wait in zip(answers, allowed_ms, strict=True)]
        await asyncio.to_thread(_leave, server, body)
        still = server.metric("cxr_inflight_images")
        lever.pull(Order.RUN)
        good = await asyncio.gather(*busy)
        clients.close()
        seen = lever.films - warmed
        left = server.metric("cxr_cancelled_total")
        given_up = server.metric('cxr_shed_total{reason="deadline"}')
    name = "deadlines, engine busy"
    return [
        Row(name, "statuses after the deadline", counted(answers), "504", set(statuses(answers)) == {504}),
        Row(
            name,
            "latest answer after its deadline",
            f"{max(late_ms):.0f} ms",
            "<= 100 ms",
            max(late_ms) <= 100,
            timing=True,
        ),
        Row(
            name,
            "deadlines and departures counted",
            f"{given_up:g} and {left:g}",
            f"{_HURRIED} and {_LEAVING}",
            (given_up, left) == (_HURRIED, _LEAVING),
        ),
        Row(name, "films still admitted then", f"{still:g}", f"{_BUSY}", still == _BUSY),
        Row(
            name,
            "films that the network saw",
            f"{seen} of {_BUSY + _HURRIED + _LEAVING}",
            f"{_BUSY}, answered {_BUSY} x 200",
            seen == _BUSY and statuses(good) == {200: _BUSY},
        ),
    ]


def _leave(server: Server, body: bytes) -> None:
    """Callers who send a film and close the connection once it was admitted."""
    before = server.metric("cxr_inflight_images")
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    callers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(_LEAVING)]
    for caller in callers:
        caller.sendall(head.encode() + body)
    until(
        lambda: server.metric("cxr_inflight_images") == before + _LEAVING, "the films of those who leave are admitted"
    )
    for caller in callers:
        caller.close()
    until(lambda: server.metric("cxr_cancelled_total") == _LEAVING, "those who left are counted")
