"""Callers who do not wait: their deadline passes, or they leave, while the engine is busy."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.resilience.lever import Lever, Order
from benchmarks.resilience.load import JPEG, Answered, Clients, films, statuses
from benchmarks.resilience.server import Server, running, until
from benchmarks.resilience.table import Row, counted

_BUSY = 2
_HURRIED = 20
_LEAVING = 10


@dataclass(frozen=True, slots=True)
class _Outcome:
    hurried: Sequence[Answered]
    late_ms: Sequence[float]
    patient: Sequence[Answered]
    admitted_then: float
    seen_by_network: int
    given_up: float
    left: float


async def deadlines(folder: Path) -> list[Row]:
    """An engine that is held; films with deadlines, and films whose callers leave, wait behind two others."""
    lever = Lever(folder / "lever")
    with running(lever=lever.file, concurrent_runs=_BUSY, max_batch_size=1) as server:
        return _rows(await _hurry(server, lever))


async def _hurry(server: Server, lever: Lever) -> _Outcome:
    body = films()[0]
    clients = Clients(server.port)
    warmed = lever.films
    lever.pull(Order.HOLD)
    busy = [asyncio.create_task(clients.post("/predict", body)) for _ in range(_BUSY)]
    await asyncio.to_thread(until, lambda: lever.films == warmed + _BUSY, "the engine is busy")
    allowed_ms = [200 + 40 * number for number in range(_HURRIED)]
    hurried = [clients.post("/predict", body, JPEG | {"X-Deadline-Ms": str(wait)}) for wait in allowed_ms]
    answers = await asyncio.gather(*hurried)
    await asyncio.to_thread(_leave, server, body)
    admitted = server.metric("cxr_inflight_images")
    lever.pull(Order.RUN)
    patient = await asyncio.gather(*busy)
    clients.close()
    return _Outcome(
        hurried=answers,
        late_ms=[1e3 * answer.seconds - wait for answer, wait in zip(answers, allowed_ms, strict=True)],
        patient=patient,
        admitted_then=admitted,
        seen_by_network=lever.films - warmed,
        given_up=server.metric('cxr_shed_total{reason="deadline"}'),
        left=server.metric("cxr_cancelled_total"),
    )


def _rows(outcome: _Outcome) -> list[Row]:
    name = "deadlines, engine busy"
    latest = max(outcome.late_ms)
    counts = f"{outcome.given_up:g} and {outcome.left:g}"
    as_many = (outcome.given_up, outcome.left) == (_HURRIED, _LEAVING)
    seen = f"{outcome.seen_by_network} of {_BUSY + _HURRIED + _LEAVING}"
    only_patient = outcome.seen_by_network == _BUSY and statuses(outcome.patient) == {200: _BUSY}
    in_time = set(statuses(outcome.hurried)) == {504}
    still = outcome.admitted_then
    return [
        Row(name, "statuses after the deadline", counted(outcome.hurried), "504", in_time),
        Row(name, "latest answer after its deadline", f"{latest:.0f} ms", "<= 100 ms", latest <= 100, timing=True),
        Row(name, "deadlines and departures counted", counts, f"{_HURRIED} and {_LEAVING}", as_many),
        Row(name, "films still admitted then", f"{still:g}", f"{_BUSY}", still == _BUSY),
        Row(name, "films that the network saw", seen, f"{_BUSY}, answered {_BUSY} x 200", only_patient),
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
