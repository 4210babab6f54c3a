"""A batcher around a fake engine, and films for it."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np

from service.capacity.threads import ThreadLanes
from service.engine.batcher import Batcher, BatchLimits
from service.engine.runs import RunLimits
from service.metrics import Metrics
from tests.waiting import until

BUSY = 9
"""Mean of the film that keeps the engine busy while others wait."""


@asynccontextmanager
async def batching(
    engine, *, max_batch_size=4, concurrent_runs=1, stat_head_start_s=5.0, run_timeout_s=30.0, recovery_s=10.0
):
    runs = RunLimits(concurrent_runs, run_timeout_s, recovery_s)
    limits = BatchLimits(max_batch_size, runs, stat_head_start_s)
    with ThreadLanes("engine", routine=concurrent_runs, stat=1) as lanes:
        batcher = Batcher(engine, lanes, Metrics().bundle(), limits)
        batcher.start()
        try:
            yield batcher
        finally:
            engine.gate.set()
            await batcher.stop()


def film(value):
    return np.full((1, 4, 4), value, np.float32)


def submit(batcher, value, *, target=None, priority="routine"):
    return asyncio.create_task(batcher.submit(film(value), target=target, priority=priority))


@asynccontextmanager
async def busy(engine, batcher, *, before=0, mean=BUSY, priority="routine"):
    """While the engine holds one more film, so that what is submitted waits."""
    engine.gate.clear()
    first = submit(batcher, mean, priority=priority)
    await until(lambda: engine.batches[before:] == [[mean]])
    yield
    engine.gate.set()
    await first
