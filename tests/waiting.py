"""Waiting for what another process, or the event loop, does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any


def wait_until(condition: Callable[[], object], what: str, *, timeout_s: float = 60) -> None:
    """Ask again and again; fail when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


async def until(condition: Callable[[], Any], *, timeout_s: float = 60) -> Any:
    """Let the event loop run until the condition, which may be awaitable, gives something true; that is returned."""
    async with asyncio.timeout(timeout_s):
        while True:
            answer = condition()
            value = await answer if isinstance(answer, Awaitable) else answer
            if value:
                return value
            await asyncio.sleep(0.005)  # a core for the engine's threads
