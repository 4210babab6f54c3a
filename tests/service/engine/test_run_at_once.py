"""Rules of films that are run by the thread that prepared them."""

import asyncio
import threading

import pytest

from schemas.errors import InferenceError, NotReadyError
from tests.fakes import GatedEngine
from tests.service.batching import BUSY, batching, film, submit
from tests.waiting import until

pytestmark = pytest.mark.anyio


class Placed(GatedEngine):
    """Remembers which thread ran each film."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = []

    def run(self, images, targets):
        self.threads.append(threading.get_ident())
        return super().run(images, targets)


def at_once(batcher, value, *, target=None, priority="routine"):
    return asyncio.create_task(asyncio.to_thread(batcher.run_at_once, film(value), target=target, priority=priority))


async def test_a_film_that_need_not_wait_stays_in_its_thread() -> None:
    engine = Placed()
    async with batching(engine, max_batch_size=1) as batcher:

        def read():
            return threading.get_ident(), batcher.run_at_once(film(3), target=1, priority="routine")

        thread, result = await asyncio.to_thread(read)

    assert engine.threads == [thread]
    assert float(result.outputs.logits[0, 1]) == 3
    assert engine.targets == [[1]]
    assert result.inference_s > 0
    assert result.queue_s < 1


async def test_films_that_may_share_a_batch_are_not_run_alone() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch_size=2) as batcher:
        assert await at_once(batcher, 1) is None

    assert engine.batches == []


@pytest.mark.parametrize(("priority", "places"), [("routine", 2), ("stat", 3)])
async def test_there_are_as_many_runs_as_places_and_one_more_for_stat_films(priority, places) -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1, concurrent_runs=2) as batcher:
        engine.gate.clear()
        running = [at_once(batcher, BUSY, priority=priority) for _ in range(places)]
        await until(lambda: len(engine.batches) == places)

        assert await at_once(batcher, 1, priority=priority) is None
        assert not batcher.idle
        engine.gate.set()
        assert all(await asyncio.gather(*running))
        assert batcher.idle


async def test_a_routine_film_overtakes_none_that_waits_and_a_stat_film_does() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1) as batcher:
        engine.gate.clear()
        running = at_once(batcher, BUSY)
        await until(lambda: len(engine.batches) == 1)
        waiting = submit(batcher, 1)
        await until(lambda: batcher.queue_length == 1)

        assert await at_once(batcher, 2) is None
        urgent = at_once(batcher, 3, priority="stat")
        await until(lambda: len(engine.batches) == 2)
        engine.gate.set()
        assert (await urgent).outputs.logits[0, 1] == 3
        await running
        assert (await waiting).outputs.logits[0, 1] == 1

    assert engine.batches == [[BUSY], [3], [1]]


async def test_a_failing_film_fails_alone() -> None:
    engine = GatedEngine(poison=6)
    async with batching(engine, max_batch_size=1) as batcher:
        with pytest.raises(InferenceError) as failure:
            await at_once(batcher, 6)

        assert batcher.alive
        assert (await at_once(batcher, 7)).outputs.logits[0, 1] == 7
    assert str(failure.value.__cause__) == "poisoned film"


class Panic(BaseException):
    """What libraries written in Rust raise, and no `except Exception` catches."""


@pytest.mark.parametrize("broken", [RuntimeError("the device is lost"), Panic()], ids=["every run", "not an Exception"])
async def test_a_network_that_fails_on_an_empty_film_too_is_dead_and_nobody_waits_for_it(broken) -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1) as batcher:
        engine.gate.clear()
        engine.broken = broken
        failing = at_once(batcher, 1)
        await until(lambda: engine.batches != [])
        waiting = submit(batcher, 2)
        await until(lambda: batcher.queue_length == 1)
        engine.gate.set()
        with pytest.raises(InferenceError):
            await failing
        with pytest.raises(NotReadyError):
            await waiting

        assert not batcher.alive
        assert await at_once(batcher, 3) is None


async def test_a_run_that_does_not_end_is_interrupted() -> None:
    class Interruptible(GatedEngine):
        def interrupt(self, longest_s):
            self.broken = RuntimeError("interrupted")
            self.gate.set()

    engine = Interruptible()
    async with batching(engine, max_batch_size=1, run_timeout_s=0.1) as batcher:
        engine.gate.clear()
        with pytest.raises(InferenceError):
            await at_once(batcher, BUSY)

        assert batcher.overdue
