"""Rules of deadlines and of callers who leave."""

import asyncio
import time

import pytest
from starlette.requests import ClientDisconnect, Request

from schemas.errors import DeadlineError
from service.http.request_options import Terms, while_caller_waits
from service.metrics import Metrics

pytestmark = pytest.mark.anyio


def terms(allowed_ms, arrived):
    return Terms("request-1", "routine", arrived, allowed_ms)


async def test_what_is_done_in_time_is_left_alone() -> None:
    async with terms(60_000, time.perf_counter()).deadline(Metrics()):
        done = True

    assert done


async def test_a_request_whose_time_was_over_before_it_began_is_not_begun() -> None:
    metrics = Metrics()

    with pytest.raises(DeadlineError, match="no answer within 50 ms"):
        async with terms(50, arrived=0.0).deadline(metrics):
            await asyncio.Event().wait()

    assert metrics.registry.get_sample_value("cxr_shed_total", {"reason": "deadline"}) == 1


def request_of(events):
    queue = asyncio.Queue()
    for event in events:
        queue.put_nowait({"type": event})
    return Request({"type": "http"}, queue.get)


async def test_work_is_given_up_when_the_caller_leaves() -> None:
    given_up = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    with pytest.raises(ClientDisconnect):
        await while_caller_waits(request_of(["http.request", "http.disconnect"]), work())

    assert given_up.is_set()


async def test_work_that_is_done_is_returned_and_its_error_raised() -> None:
    async def work(result):
        if isinstance(result, Exception):
            raise result
        return result

    assert await while_caller_waits(request_of([]), work("answer")) == "answer"
    with pytest.raises(ValueError, match="broken"):
        await while_caller_waits(request_of([]), work(ValueError("broken")))


async def test_work_is_given_up_with_whoever_waits_for_it() -> None:
    given_up = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await while_caller_waits(request_of([]), work())

    assert given_up.is_set()
