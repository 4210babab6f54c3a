"""Greedy batching: a batch is whatever waits when the network is free; no timer, no film waits for another.

Where films are run one at a time, as on a CPU, a film that need not wait is run by the thread that prepared it.

The flow was learned from Hugging Face text-embeddings-inference (`core/src/queue.rs`,
`core/src/infer.rs`): a caller needs a permit before any work is done for it, the queue behind the
permits cannot overflow, and an entry whose caller has left is dropped while the batch is built.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas.errors import InferenceError, NotReadyError
from service.capacity.admission import Priority, draining
from service.capacity.threads import ThreadLanes
from service.engine.engine import Engine
from service.engine.film_queue import BatchResult, FilmQueue, QueuedFilm, batch_sizes
from service.engine.runs import Run, RunLimits, Runs
from service.metrics import BundleMetrics

log = structlog.get_logger("service.engine.batcher")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much a batcher runs at once, and for how long."""

    max_batch_size: int
    runs: RunLimits
    stat_head_start_s: float = 5.0
    """A stat film overtakes the routine films that came less than this before it: none of them waits for ever."""


class Batcher:
    """Feeds the engine, which is never idle while a film waits; one consumer for each concurrent run.

    In addition one consumer takes stat films alone, and runs them on threads that go first: a stat film does not wait
    for the end of a routine one. While its place is taken, the others take stat films too, by rank.

    Invariant: a film is in the queue, or in the batch of one consumer, or its future is done.
    """

    def __init__(self, engine: Engine, lanes: ThreadLanes, metrics: BundleMetrics, limits: BatchLimits) -> None:
        """`lanes` must have room for `limits.runs.concurrent` routine calls."""
        self._lanes = lanes
        self._metrics = metrics
        self._limits = limits
        self._queue = FilmQueue(batch_sizes(limits.max_batch_size), limits.stat_head_start_s)
        self._runs = Runs(engine, limits.runs)
        self._loop = asyncio.get_running_loop()
        self._arrival = asyncio.Event()
        self._stopping = False
        self._dead = False
        self._watch: asyncio.Task[None] | None = None
        self._consumers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to consume."""
        routine = [self._consume("routine") for _ in range(self._limits.runs.concurrent)]
        self._consumers = [asyncio.create_task(consumer) for consumer in (self._consume("stat"), *routine)]
        for consumer in self._consumers:
            consumer.add_done_callback(self._leave_nobody_waiting)
        self._watch = asyncio.create_task(self._runs.interrupt_overdue())

    async def stop(self) -> None:
        """Answer what waits, accept nothing new, and end."""
        self._stopping = True
        self._arrival.set()
        await asyncio.gather(*self._consumers, return_exceptions=True)  # a dead one must not hinder the rest
        if self._watch is not None:
            self._watch.cancel()

    def interrupt(self) -> None:
        """Let every run fail that still goes on: nobody waits for it."""
        self._runs.interrupt()

    @property
    def overdue(self) -> bool:
        """Whether a run does not end, or had to be interrupted a short while ago."""
        return self._runs.overdue

    @property
    def alive(self) -> bool:
        """Whether every loop still runs, and no run of the network hangs."""
        loops = [*self._consumers, *([] if self._watch is None else [self._watch])]
        return not self._dead and not any(loop.done() for loop in loops) and not self._runs.hang

    @property
    def queue_length(self) -> int:
        """How many films wait for the network."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether no film waits for the network or is in it."""
        return self._runs.idle and not len(self._queue)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    async def submit(self, image: NDArray[np.float32], *, target: int | None, priority: Priority) -> BatchResult:
        """Wait for the network's outputs for one film; cancel to give up.

        Args:
            image: [1, S, S] in [0, 1].
            target: class to explain or `MOST_PROBABLE`; None: no heat maps.
            priority: stat goes before routine.

        Raises:
            InferenceError: the batch of this film failed.
            NotReadyError: the service is draining, or the network can no longer be run.
        """
        if self._stopping:
            self._metrics.shed.labels("draining").inc()
            raise draining()
        if self._dead:
            raise _dead()
        film = self._queue.push(image, target, priority)
        self._metrics.waiting.in_queue = len(self._queue)
        self._arrival.set()
        return await film.result

    def run_at_once(self, image: NDArray[np.float32], *, target: int | None, priority: Priority) -> BatchResult | None:
        """Run the network on one film in the thread that calls, which is not the event loop's; see `submit`.

        A film that changes threads costs 0.8 ms more, of 19: the other core does not have it in its cache.

        Returns:
            None where the film has to wait, or may share a batch with others: `submit` it.

        Raises:
            InferenceError: the network failed on it.
        """
        asked = time.perf_counter()
        if self._limits.max_batch_size > 1 or self._stopping or self._dead:
            return None
        if (lane := self._claimed(priority)) is None:
            return None
        try:
            run = self._runs.run([image], [target])
        except BaseException as error:  # supervisor, as in `_run_batch`
            log.exception("batch_failed", films=1)
            if not isinstance(error, Exception) or not self._proves(image):
                self._dead = True
                self._loop.call_soon_threadsafe(self._queue.fail_all, _dead)
            raise _failure(error) from error
        finally:
            self._runs.release(lane)
            if len(self._queue):
                self._loop.call_soon_threadsafe(self._arrival.set)
        return BatchResult(run.outputs, run.started - asked, run.duration_s)

    def count(self, films: int) -> None:
        """Count a run of the network with as many films, which was made without a consumer."""
        self._metrics.batch_size.observe(films)
        self._metrics.images.inc(films)

    def _claimed(self, priority: Priority) -> Priority | None:
        """The lane in which a film has a place at once; a routine film overtakes none that waits."""
        if priority == "stat" and self._runs.claim("stat"):
            return "stat"
        may_go = priority == "stat" or not len(self._queue)
        return "routine" if may_go and self._runs.claim("routine") else None

    def _leave_nobody_waiting(self, consumer: asyncio.Task[None]) -> None:
        """Where a consumer died, `alive` asks for a restart; until then films are refused, not kept waiting."""
        if consumer.cancelled() or consumer.exception() is not None:
            self._dead = True
            self._queue.fail_all(_dead)

    async def _consume(self, lane: Priority) -> None:
        while True:
            has_place = self._runs.claim(lane)
            batch = self._queue.take(lane, stat_is_busy=not self._runs.is_free("stat")) if has_place else []
            self._metrics.waiting.in_queue = len(self._queue)
            if batch:
                if lane == "stat":
                    self._arrival.set()  # the other stat films are for any consumer now
                await self._run_batch(batch, lane)
            if has_place:
                self._runs.release(lane)
            if not batch:
                if has_place and self._stopping:
                    return
                self._arrival.clear()
                await self._arrival.wait()

    async def _run_batch(self, batch: list[QueuedFilm], lane: Priority) -> None:
        try:
            run = await self._in_lane(lane, lambda: self._run(batch))
        except BaseException as error:  # supervisor: whatever a batch dies of, it takes only its own films with it
            log.exception("batch_failed", films=len(batch))
            for film in batch:
                film.fail(_failure(error))
            if not isinstance(error, Exception):
                raise
            await self._in_lane(lane, lambda: self._prove(batch[0].image))
            return
        self.count(len(batch))
        for index, film in enumerate(batch):
            if not film.result.done():
                waited_s = run.started - film.queued_at
                film.result.set_result(BatchResult(run.outputs[index], waited_s, run.duration_s))

    async def _in_lane(self, lane: Priority, work: Callable[[], Run]) -> Run:
        return await self._loop.run_in_executor(self._lanes.of(lane), work)

    def _run(self, batch: list[QueuedFilm]) -> Run:
        return self._runs.run([film.image for film in batch], [film.target for film in batch])

    def _prove(self, like: NDArray[np.float32]) -> Run:
        """Run an empty film after a failure: where the network fails again, a consumer ends, and `alive` is false."""
        return self._runs.run([np.zeros_like(like)], [None])

    def _proves(self, like: NDArray[np.float32]) -> bool:
        try:
            self._prove(like)
        except BaseException:  # supervisor, as in `_run_batch`
            log.exception("network_lost")
            return False
        return True


def _dead() -> NotReadyError:
    return NotReadyError("the network can no longer be run; the service must be restarted, ask another instance")


def _failure(reason: BaseException) -> InferenceError:
    failure = InferenceError("the network failed on this film; the reason is in the service's log")
    failure.__cause__ = reason
    return failure
