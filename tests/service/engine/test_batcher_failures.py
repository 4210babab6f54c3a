"""What the batcher does where the network fails, hangs or is lost."""

import asyncio
import threading

import pytest

from schemas.errors import InferenceError, NotReadyError
from tests.fakes import GatedEngine
from tests.service.batching import BUSY, batching, submit
from tests.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("concurrent_runs", [1, 2])
async def test_a_failing_batch_fails_only_its_films_and_the_loop_lives(concurrent_runs) -> None:
    engine = GatedEngine(poison=6)
    async with batching(engine, concurrent_runs=concurrent_runs) as batcher:
        with pytest.raises(InferenceError) as failure:
            await submit(batcher, 6)
        answer = await submit(batcher, 7)

        assert batcher.alive
    assert str(failure.value.__cause__) == "poisoned film"
    assert float(answer.outputs.logits[0, 1]) == 7


class Panic(BaseException):
    """What libraries written in Rust raise, and no `except Exception` catches."""


@pytest.mark.parametrize("broken", [RuntimeError("the device is lost"), Panic()], ids=["every run", "not an Exception"])
@pytest.mark.parametrize("priority", ["stat", "routine"])
async def test_a_network_that_fails_on_an_empty_film_too_is_dead_and_nobody_waits_for_it(broken, priority) -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1) as batcher:
        engine.gate.clear()
        engine.broken = broken
        failing = submit(batcher, 1, priority=priority)
        waiting = [submit(batcher, value) for value in range(2, 5)]
        await until(lambda: engine.batches != [])
        engine.gate.set()
        failures = await asyncio.gather(failing, *waiting, return_exceptions=True)

        assert not batcher.alive
        with pytest.raises(NotReadyError, match="must be restarted"):
            await submit(batcher, 5)
    assert isinstance(failures[0], InferenceError)
    assert {type(failure) for failure in failures} <= {InferenceError, NotReadyError}


async def test_a_consumer_that_is_cancelled_leaves_nobody_waiting() -> None:
    engine = GatedEngine()
    async with batching(engine) as batcher:
        engine.gate.clear()
        running = submit(batcher, BUSY)
        await until(lambda: engine.batches == [[BUSY]])
        waiting = submit(batcher, 1)
        await until(lambda: batcher.queue_length == 1)
        for consumer in batcher._consumers:
            consumer.cancel()
        failures = await asyncio.gather(running, waiting, return_exceptions=True)

    assert [type(failure) for failure in failures] == [InferenceError, NotReadyError]


class Interruptible(GatedEngine):
    """Its runs end when they are interrupted, as those of ONNX Runtime do in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.late = threading.Event()

    def run(self, images, targets):
        outputs = super().run(images, targets)
        if images.mean() == BUSY:
            assert self.late.wait(30)
            message = "interrupted"
            raise InferenceError(message)
        return outputs

    def interrupt(self, longest_s):
        super().interrupt(longest_s)
        self.late.set()


async def test_a_run_that_loops_is_interrupted_and_its_thread_is_there_for_the_next_film() -> None:
    engine = Interruptible()
    async with batching(engine, run_timeout_s=0.05, recovery_s=60) as batcher:
        with pytest.raises(InferenceError):
            await submit(batcher, BUSY)
        answer = await submit(batcher, 1)

        assert float(answer.outputs.logits[0, 1]) == 1
        assert (batcher.alive, batcher.overdue) == (True, True)
    assert engine.interruptions[0] == 0.05


async def test_a_network_that_was_interrupted_is_trusted_again_after_a_while() -> None:
    async with batching(Interruptible(), run_timeout_s=0.05, recovery_s=0.05) as batcher:
        with pytest.raises(InferenceError):
            await submit(batcher, BUSY)

        await until(lambda: not batcher.overdue)


async def test_a_run_within_its_time_is_neither_interrupted_nor_overdue() -> None:
    engine = GatedEngine()
    async with batching(engine, run_timeout_s=30) as batcher:
        await submit(batcher, 1)

        assert not batcher.overdue
    assert engine.interruptions == []


async def test_a_run_that_lasts_too_long_is_told_by_alive() -> None:
    engine = GatedEngine()
    async with batching(engine, run_timeout_s=0.01) as batcher:
        engine.gate.clear()
        hanging = submit(batcher, 1)
        await until(lambda: engine.batches == [[1]])
        await until(lambda: not batcher.alive)
        engine.gate.set()
        await hanging

        assert batcher.alive
