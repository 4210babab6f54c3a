"""Rules of greedy batching."""

import asyncio
import threading

import pytest

from schemas.errors import NotReadyError
from service.engine.film_queue import batch_sizes
from tests.fakes import GatedEngine
from tests.service.batching import BUSY, batching, busy, submit
from tests.waiting import until

pytestmark = pytest.mark.anyio


class StatIsBusy(GatedEngine):
    """Holds one stat film until its own gate opens, so that the routine run takes all that waits, in its order."""

    STAT = 8

    def __init__(self) -> None:
        super().__init__()
        self.stat_gate = threading.Event()

    def run(self, images, targets):
        outputs = super().run(images, targets)
        assert images.mean() != self.STAT or self.stat_gate.wait(30)
        return outputs


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4)), (32, (1, 2, 4, 8, 16, 32))]
)
def test_batch_sizes_are_the_powers_of_two_and_the_largest(largest, sizes) -> None:
    assert batch_sizes(largest) == sizes


async def test_each_film_gets_its_own_outputs() -> None:
    engine = GatedEngine()
    async with batching(engine, concurrent_runs=2) as batcher:
        answers = await asyncio.gather(*(submit(batcher, value / 10) for value in range(10)))

    means = [float(answer.outputs.logits[0, 1]) for answer in answers]
    assert means == pytest.approx([value / 10 for value in range(10)])


async def test_a_lone_film_does_not_wait_for_others() -> None:
    engine = GatedEngine()
    async with batching(engine) as batcher:
        await submit(batcher, 1)

    assert engine.batches == [[1.0]]


async def test_what_waits_when_the_engine_is_free_is_one_batch_of_a_warmed_size() -> None:
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        waiting = [submit(batcher, value) for value in range(7)]
        await until(lambda: batcher.queue_length == 7)
        engine.gate.set()
        await asyncio.gather(*waiting)

    assert engine.batches == [[BUSY], [0, 1, 2, 3], [4, 5], [6]]


async def test_a_film_whose_caller_left_is_not_run() -> None:
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        left = submit(batcher, 1)
        stayed = submit(batcher, 2)
        await until(lambda: batcher.queue_length == 2)
        left.cancel()
        engine.gate.set()
        await stayed

    assert engine.batches == [[BUSY], [2]]


async def test_a_film_whose_deadline_passed_is_not_run() -> None:
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(submit(batcher, 1), 0.01)

    assert engine.batches == [[BUSY]]


async def test_a_caller_who_leaves_during_the_run_harms_nobody() -> None:
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


async def test_a_stat_film_does_not_wait_for_the_end_of_a_routine_run() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1) as batcher, busy(engine, batcher):
        waiting = [submit(batcher, 1), submit(batcher, 2), submit(batcher, 3, priority="stat")]
        await until(lambda: len(engine.batches) == 2)

        assert engine.batches == [[BUSY], [3]]
        engine.gate.set()
        await asyncio.gather(*waiting)

    assert engine.batches == [[BUSY], [3], [1], [2]]


@pytest.mark.parametrize(("stat_head_start_s", "order"), [(5.0, [[3], [4], [1]]), (0.0, [[1], [3], [4]])])
async def test_stat_overtakes_routine_that_has_not_waited_longer_than_the_head_start(stat_head_start_s, order) -> None:
    engine = StatIsBusy()
    async with batching(engine, max_batch_size=1, stat_head_start_s=stat_head_start_s) as batcher:
        first = submit(batcher, engine.STAT, priority="stat")
        await until(lambda: engine.batches == [[engine.STAT]])
        async with busy(engine, batcher, before=1):
            waiting = [submit(batcher, 1), submit(batcher, 3, priority="stat"), submit(batcher, 4, priority="stat")]
            await until(lambda: batcher.queue_length == 3)
            engine.gate.set()
            await asyncio.gather(*waiting)
        engine.stat_gate.set()
        await first

    assert engine.batches[2:] == order


async def test_an_idle_routine_run_takes_the_stat_films_that_the_stat_run_has_no_room_for() -> None:
    engine = GatedEngine()
    async with (
        batching(engine, max_batch_size=1) as batcher,
        busy(engine, batcher, mean=StatIsBusy.STAT, priority="stat"),
    ):
        second = submit(batcher, 3, priority="stat")
        await until(lambda: len(engine.batches) == 2)
        engine.gate.set()
        await second

    assert engine.batches == [[StatIsBusy.STAT], [3]]


async def test_two_stat_films_that_come_together_run_together() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch_size=1) as batcher:
        await submit(batcher, 0, priority="stat")  # now the routine run is the first to hear of films
        engine.gate.clear()
        films = [submit(batcher, 1, priority="stat"), submit(batcher, 2, priority="stat")]
        await until(lambda: len(engine.batches) == 3)
        engine.gate.set()
        await asyncio.gather(*films)


async def test_one_film_that_wants_a_heat_map_shares_a_batch_with_films_that_want_none() -> None:
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        waiting = [submit(batcher, 1), submit(batcher, 2, target=1)]
        await until(lambda: batcher.queue_length == 2)
        engine.gate.set()
        await asyncio.gather(*waiting)

    assert engine.targets == [None, [-1, 1]]


async def test_two_runs_go_on_at_the_same_time_where_two_are_allowed() -> None:
    engine = GatedEngine()
    async with batching(engine, concurrent_runs=2) as batcher, busy(engine, batcher):
        second = submit(batcher, 1)
        await until(lambda: len(engine.batches) == 2)

        assert not second.done()


async def test_stopping_answers_what_waits_and_accepts_nothing_new() -> None:
    engine = GatedEngine()
    async with batching(engine) as batcher, busy(engine, batcher):
        waiting = submit(batcher, 1)
        await until(lambda: batcher.queue_length == 1)
        stopping = asyncio.create_task(batcher.stop())
        await until(lambda: batcher.stopping)
        with pytest.raises(NotReadyError, match="shutting down"):
            await submit(batcher, 2)
        engine.gate.set()
        await stopping

        assert float((await waiting).outputs.logits[0, 1]) == 1
        assert not batcher.alive
