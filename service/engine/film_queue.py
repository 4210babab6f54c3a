"""The films that wait for the network, and which of them make the next batch; no network here, and nothing awaited."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.session import bucket_sizes
from schemas.errors import CxrError
from service.capacity.admission import Priority
from service.engine.engine import Outputs


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one film got from its batch, and how long it waited and ran."""

    outputs: Outputs
    """Of this film alone, N = 1."""
    queue_s: float
    inference_s: float


@dataclass(frozen=True, slots=True, eq=False)
class QueuedFilm:
    """One film, and the future of the caller who waits for its outputs."""

    image: NDArray[np.float32]  # [1, S, S]
    target: int | None
    priority: Priority
    rank: float
    queued_at: float
    result: asyncio.Future[BatchResult]

    def fail(self, error: CxrError) -> None:
        """Report `error` to the caller, unless nobody waits any longer."""
        if not self.result.done():
            self.result.set_exception(error)


def batch_sizes(largest: int) -> tuple[int, ...]:
    """The batch sizes that are run, and so are warmed: the powers of two, and `largest`.

    A batch is the largest of them that waits. Nothing is padded: on a CPU a padded film costs as much
    as a real one, and on a GPU a shape that was not warmed costs far more than a second, smaller run.
    """
    return bucket_sizes(largest)


class FilmQueue:
    """Films in the order of their rank: the time of arrival, from which a stat film's head start is taken off.

    Invariant: a film is in here, or it was taken for one batch, or nobody waits for it any longer.
    """

    def __init__(self, sizes: tuple[int, ...], stat_head_start_s: float) -> None:
        """`sizes` are those that a batch may have, in ascending order, from 1 on."""
        self._sizes = sizes
        self._stat_head_start_s = stat_head_start_s
        self._films: list[QueuedFilm] = []

    def __len__(self) -> int:
        return len(self._films)

    def push(self, image: NDArray[np.float32], target: int | None, priority: Priority) -> QueuedFilm:
        """Let a film wait."""
        now = time.perf_counter()  # not the loop's clock: uvloop counts milliseconds
        rank = now - self._stat_head_start_s if priority == "stat" else now
        film = QueuedFilm(image, target, priority, rank, now, asyncio.get_running_loop().create_future())
        self._films.append(film)
        return film

    def take(self, lane: Priority, *, stat_is_busy: bool) -> list[QueuedFilm]:
        """Remove the next batch: as many films as the largest size that can be filled, by rank; empty where none waits.

        Args:
            lane: of the consumer; `stat` takes stat films alone, and `routine` leaves them to it.
            stat_is_busy: whether a batch of the stat lane is running: then `routine` takes stat films too.
        """
        # A future is done before its result when the caller left or its deadline passed: nobody waits for it.
        waiting = [film for film in self._films if not film.result.done()]
        suitable = [film for film in waiting if film.priority == lane or (lane == "routine" and stat_is_busy)]
        suitable.sort(key=lambda film: film.rank)
        size = max((size for size in self._sizes if size <= len(suitable)), default=0)
        batch = suitable[:size]
        # O(n * m), of at most max_queue films and one batch.
        self._films = [film for film in waiting if film not in batch]
        return batch

    def fail_all(self, error: Callable[[], CxrError]) -> None:
        """Report an error of its own to everybody who waits."""
        for film in self._films:
            film.fail(error())
