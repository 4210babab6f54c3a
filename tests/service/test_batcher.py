"""Rules of greedy batching."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
import pytest

from schemas.errors import InferenceError, NotReadyError
from service.batcher import Batcher, Limits, batch_sizes
from service.metrics import Metrics
from tests.fakes import GatedEngine
from tests.service.conftest import until

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def batching(engine, *, max_batch_size=4, concurrent_runs=1, stat_head_start_s=5.0):
    with ThreadPoolExecutor(concurrent_runs) as threads:
        batcher = Batcher(engine, threads, Metrics(), Limits(max_batch_size, concurrent_runs, stat_head_start_s))
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
async def busy(engine, batcher):
    """While the engine holds one film (mean 9), so that what is submitted waits."""
    engine.gate.clear()
    first = submit(batcher, 9)
    await until(lambda: engine.batches == [[9.0]])
    yield
    engine.gate.set()
    await first


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4)), (32, (1, 2, 4, 8, 16, 32))]
)
def test_batch_sizes_are_the_powers_of_two_and_the_largest(largest, sizes):
    assert batch_sizes(largest) == sizes


async def test_each_film_gets_its_own_outputs():
    engine = GatedEngine()
    async with batching(engine, concurrent_runs=2) as batcher:
        answers = await asyncio.gather(*(submit(batcher, value / 10) for value in range(10)))

    means = [float(answer.outputs.logits[0, 1]) for answer in answers]
    assert means == pytest.approx([value / 10 for value in range(10)])


async def test_a_lone_film_does_not_wait_for_others():
    engine = GatedEngine()
    async with batching(engine) as batcher:
        await submit(batcher, 1)

    assert engine.batches == [[1.0]]


async def test_what_waits_when_the_engine_is_free_is_one_batch_of_a_warmed_size():
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        waiting = [submit(batcher, value) for value in range(7)]
        await until(lambda: len(batcher._waiting) == 7)
        engine.gate.set()
        await asyncio.gather(*waiting)

    assert engine.batches == [[9], [0, 1, 2, 3], [4, 5], [6]]


async def test_a_film_whose_caller_left_is_not_run():
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        left, stayed = submit(batcher, 1), submit(batcher, 2)
        await until(lambda: len(batcher._waiting) == 2)
        left.cancel()
        engine.gate.set()
        await stayed

    assert engine.batches == [[9], [2]]


async def test_a_film_whose_deadline_passed_is_not_run():
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(submit(batcher, 1), 0.01)

    assert engine.batches == [[9]]


async def test_a_caller_who_leaves_during_the_run_harms_nobody():
    engine = GatedEngine()
    async with batching(engine) as batcher:
        engine.gate.clear()
        left = submit(batcher, 1)
        await until(lambda: engine.batches == [[1]])
        left.cancel()
        stayed = submit(batcher, 2)
        engine.gate.set()

        assert float((await stayed).outputs.logits[0, 1]) == 2
        assert batcher.alive


@pytest.mark.parametrize("concurrent_runs", [1, 2])
async def test_a_failing_batch_fails_only_its_films_and_the_loop_lives(concurrent_runs):
    engine = GatedEngine(poison=6)
    async with batching(engine, concurrent_runs=concurrent_runs) as batcher:
        with pytest.raises(InferenceError) as failure:
            await submit(batcher, 6)
        answer = await submit(batcher, 7)

        assert batcher.alive
    assert str(failure.value.__cause__) == "poisoned film"
    assert float(answer.outputs.logits[0, 1]) == 7


async def test_stat_overtakes_routine():
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1) as batcher, busy(engine, batcher):
        waiting = [submit(batcher, 1), submit(batcher, 2), submit(batcher, 3, priority="stat")]
        await until(lambda: len(batcher._waiting) == 3)
        engine.gate.set()
        await asyncio.gather(*waiting)

    assert engine.batches == [[9], [3], [1], [2]]


async def test_a_routine_film_that_waited_longer_than_the_head_start_goes_before_a_new_stat_film():
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1, stat_head_start_s=0.0) as batcher, busy(engine, batcher):
        waiting = [submit(batcher, 1), submit(batcher, 2, priority="stat")]
        await until(lambda: len(batcher._waiting) == 2)
        engine.gate.set()
        await asyncio.gather(*waiting)

    assert engine.batches == [[9], [1], [2]]


async def test_one_film_that_wants_a_heat_map_shares_a_batch_with_films_that_want_none():
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        waiting = [submit(batcher, 1), submit(batcher, 2, target=1)]
        await until(lambda: len(batcher._waiting) == 2)
        engine.gate.set()
        await asyncio.gather(*waiting)

    assert engine.targets == [None, [-1, 1]]


async def test_two_runs_go_on_at_the_same_time_where_two_are_allowed():
    engine = GatedEngine()
    async with batching(engine, concurrent_runs=2) as batcher, busy(engine, batcher):
        second = submit(batcher, 1)
        await until(lambda: len(engine.batches) == 2)

        assert not second.done()


async def test_stopping_answers_what_waits_and_accepts_nothing_new():
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        waiting = submit(batcher, 1)
        await until(lambda: len(batcher._waiting) == 1)
        stopping = asyncio.create_task(batcher.stop())
        await until(lambda: batcher._draining)
        with pytest.raises(NotReadyError, match="shutting down"):
            await submit(batcher, 2)
        engine.gate.set()
        await stopping

        assert float((await waiting).outputs.logits[0, 1]) == 1
        assert not batcher.alive
