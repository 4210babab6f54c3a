"""Rules of which waiting films make the next batch."""

import asyncio

import numpy as np
import pytest

from schemas.errors import NotReadyError
from service.engine.film_queue import FilmQueue, batch_sizes

pytestmark = pytest.mark.anyio

IMAGE = np.zeros((1, 4, 4), np.float32)


def queue(largest=4, stat_head_start_s=5.0):
    return FilmQueue(batch_sizes(largest), stat_head_start_s)


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4)), (32, (1, 2, 4, 8, 16, 32))]
)
def test_batch_sizes_are_the_powers_of_two_and_the_largest(largest, sizes) -> None:
    assert batch_sizes(largest) == sizes


async def test_a_batch_is_the_largest_size_that_can_be_filled_in_the_order_of_arrival() -> None:
    waiting = queue()
    films = [waiting.push(IMAGE, None, "routine") for _ in range(7)]

    assert [waiting.take("routine", stat_is_busy=False) for _ in range(4)] == [films[:4], films[4:6], films[6:], []]
    assert len(waiting) == 0


async def test_each_lane_takes_its_own_films_and_routine_takes_stat_films_where_the_stat_lane_is_busy() -> None:
    waiting = queue(1)
    routine = waiting.push(IMAGE, None, "routine")
    stat = [waiting.push(IMAGE, None, "stat") for _ in range(3)]

    assert waiting.take("stat", stat_is_busy=False) == stat[:1]
    assert waiting.take("routine", stat_is_busy=True) == stat[1:2]
    assert waiting.take("routine", stat_is_busy=False) == [routine]
    assert waiting.take("routine", stat_is_busy=False) == []
    assert len(waiting) == 1


async def test_a_film_that_nobody_waits_for_is_dropped_when_the_next_batch_is_made() -> None:
    waiting = queue()
    left = waiting.push(IMAGE, None, "routine")
    stayed = waiting.push(IMAGE, None, "routine")
    left.result.cancel()

    assert waiting.take("routine", stat_is_busy=False) == [stayed]
    assert len(waiting) == 0


async def test_a_failure_is_told_to_everybody_who_waits_with_an_error_of_their_own() -> None:
    waiting = queue()
    films = [waiting.push(IMAGE, None, "routine") for _ in range(2)]
    waiting.fail_all(lambda: NotReadyError("dead"))
    failures = await asyncio.gather(*(film.result for film in films), return_exceptions=True)

    assert [str(failure) for failure in failures] == ["dead", "dead"]
    assert failures[0] is not failures[1]
