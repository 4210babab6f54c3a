"""Rules of how many connections there may be, and how long one may wait."""

import asyncio

import pytest

from service.listener.connections import Connections
from service.metrics import Metrics
from service.settings import ConnectionSettings

pytestmark = pytest.mark.anyio


class FakeConnection:
    """Notes how it was ended."""

    def __init__(self, *, has_begun: bool = False) -> None:
        self.has_begun = has_begun
        self.end: str | None = None

    def refuse(self, error, *, at_once=False) -> None:
        self.end = f"{error.code}, at once" if at_once else error.code

    def drop(self) -> None:
        self.end = "dropped"


def shared(**settings):
    metrics = Metrics()
    return Connections(ConnectionSettings(**settings), metrics), metrics


def closed(metrics, reason):
    return metrics.registry.get_sample_value("cxr_connections_closed_total", {"reason": reason})


async def test_at_the_limit_the_longest_wait_makes_room() -> None:
    connections, metrics = shared(max_connections=2)
    first, second, third = (FakeConnection() for _ in range(3))
    connections.admit(first, 1)
    connections.admit(second, 2)
    connections.admit(third, 3)

    assert [each.end for each in (first, second, third)] == ["dropped", None, None]
    assert closed(metrics, "evicted") == 1


async def test_one_that_is_busy_is_never_closed_for_another() -> None:
    connections, metrics = shared(max_connections=2)
    busy, other, late = (FakeConnection() for _ in range(3))
    for present, each in enumerate((busy, other), 1):
        connections.admit(each, present)
        connections.has_head(each)
    connections.admit(late, 3)

    assert [each.end for each in (busy, other, late)] == [None, None, "overloaded, at once"]
    assert closed(metrics, "full") == 1


async def test_a_wait_that_is_over_is_ended_by_its_kind() -> None:
    connections, metrics = shared(header_timeout_s=10)
    now = asyncio.get_running_loop().time()
    idle, half_sent, done = FakeConnection(), FakeConnection(has_begun=True), FakeConnection(has_begun=True)
    for each in (idle, half_sent, done):
        connections.admit(each, 1)
    connections.has_head(done)

    connections.sweep(now + 9)
    assert (idle.end, half_sent.end) == (None, None)
    connections.sweep(now + 11)
    assert (idle.end, half_sent.end, done.end) == ("dropped", "upload_too_slow", None)
    assert (closed(metrics, "idle"), closed(metrics, "header_timeout")) == (1, 1)


async def test_a_caller_who_does_not_read_its_answer_is_dropped_and_one_who_reads_again_is_not() -> None:
    connections, metrics = shared()
    now = asyncio.get_running_loop().time()
    deaf, slow = FakeConnection(), FakeConnection()
    for each in (deaf, slow):
        connections.is_unread(each)
    connections.is_read(slow)
    connections.sweep(now + 31)

    assert (deaf.end, slow.end, closed(metrics, "unread")) == ("dropped", None, 1)


async def test_a_connection_that_is_closed_is_forgotten() -> None:
    connections, _ = shared()
    gone = FakeConnection()
    connections.admit(gone, 1)
    connections.is_unread(gone)
    connections.forget(gone)
    connections.sweep(asyncio.get_running_loop().time() + 100)

    assert gone.end is None
