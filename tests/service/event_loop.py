"""How long the event loop answers nobody: the limit that every request is held to."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_BLOCK_S = 0.25


class LoopWatch:
    """The longest piece of work that the loop's thread has done without a turn of another task.

    It is time of the processor, not of the clock: a busy machine is not the loop's fault.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        while True:
            start = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest_s = max(self.longest_s, time.thread_time() - start)


@asynccontextmanager
async def unblocked(longest_s: float = LONGEST_BLOCK_S) -> AsyncIterator[LoopWatch]:
    """Fail where what runs inside blocks the event loop for longer."""
    watch = LoopWatch()
    task = asyncio.create_task(watch.watch())
    await asyncio.sleep(0)
    try:
        yield watch
    finally:
        await asyncio.sleep(0.002)
        task.cancel()
    assert watch.longest_s < longest_s, f"the event loop was blocked for {watch.longest_s:.2f} s"
