"""Rules of callers who leave."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from service.http.request_options import while_caller_waits

pytestmark = pytest.mark.anyio


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
