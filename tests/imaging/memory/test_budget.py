"""The memory that films share: how much, and in which order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from imaging.memory.budget import DecodeBudget, peak_bytes
from schemas.errors import ImageTooLargeError


class Film:
    """Takes its share in a thread of its own, and keeps it until it is told to end."""

    def __init__(self, budget: DecodeBudget, size_bytes: int, pool: ThreadPoolExecutor, *, urgent: bool = False):
        self._budget = budget
        self._end = threading.Event()
        self.has_room = threading.Event()
        self._done = pool.submit(self._run, size_bytes, urgent=urgent)

    def _run(self, size_bytes: int, *, urgent: bool) -> None:
        with self._budget.share(urgent=urgent) as reserve:
            reserve(size_bytes)
            self.has_room.set()
            self._end.wait()

    def end(self) -> None:
        self._end.set()
        self._done.result()


def test_films_get_their_memory_in_the_order_in_which_they_ask_and_urgent_ones_first() -> None:
    budget = DecodeBudget(10)
    with ThreadPoolExecutor(4) as pool:
        first = Film(budget, 8, pool)
        first.has_room.wait()
        large = waiting(budget, 1, lambda: Film(budget, 9, pool))
        small = waiting(budget, 2, lambda: Film(budget, 1, pool))
        urgent = waiting(budget, 3, lambda: Film(budget, 10, pool, urgent=True))

        first.end()
        urgent.has_room.wait()
        assert not large.has_room.is_set()
        urgent.end()
        large.has_room.wait()
        small.has_room.wait()
        large.end()
        small.end()


def waiting(budget: DecodeBudget, films: int, start) -> Film:
    """A film that waits as the last of so many."""
    film = start()
    while budget.waiting < films:
        film.has_room.wait(0.001)
    return film


def take(budget: DecodeBudget, *sizes: int) -> None:
    with budget.share() as reserve:
        for size in sizes:
            reserve(size)


def test_memory_is_given_back_after_a_failure_too() -> None:
    budget = DecodeBudget(10)

    for _ in range(3):
        with pytest.raises(ImageTooLargeError):
            take(budget, 10, 11)


def test_a_film_that_needs_more_than_there_is_is_refused() -> None:
    budget = DecodeBudget(10_000_000)

    with (
        budget.share() as reserve,
        pytest.raises(ImageTooLargeError, match="would take 11 MB and all films together may take 10 MB; send it"),
    ):
        reserve(11_000_000)
    with budget.share() as reserve:
        reserve(10_000_000)


@pytest.mark.parametrize(
    ("pixels", "decoding", "gray", "expected"),
    [
        (1_000_000, 1, 1, 6_000_000),  # two gray bytes, and four of float
        (1_000_000, 2, 2, 8_000_000),
        (40_000_000, 4, 1, 200_000_000 + 4 * 2**24),  # resized in bands
    ],
)
def test_the_peak_is_that_of_decoding_and_of_resizing_together(pixels, decoding, gray, expected) -> None:
    assert peak_bytes(pixels, decoding=decoding, gray=gray) == expected
