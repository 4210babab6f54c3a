"""Greedy batching: a batch is whatever waits when the network is free; no timer, no film waits for another.

The flow was learned from Hugging Face text-embeddings-inference (`core/src/queue.rs`,
`core/src/infer.rs`): a caller needs a permit before any work is done for it, the queue behind the
permits cannot overflow, and an entry whose caller has left is dropped while the batch is built.
"""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from bundle.session import MOST_PROBABLE
from schemas.errors import InferenceError, NotReadyError
from service.capacity.admission import Priority, draining
from service.capacity.threads import ThreadLanes
from service.engine.engine import Engine, Outputs
from service.engine.film_queue import BatchResult, FilmQueue, QueuedFilm, batch_sizes
from service.metrics import BundleMetrics

log = structlog.get_logger("service.engine.batcher")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much a batcher runs at once, and for how long."""

    max_batch_size: int
    concurrent_runs: int
    stat_head_start_s: float = 5.0
    """A stat film overtakes the routine films that came less than this before it: none of them waits for ever."""
    run_timeout_s: float = 30.0
    """A run that takes longer would not end: it is interrupted."""
    recovery_s: float = 10.0
    """A network whose run had to be interrupted is not trusted for this time."""


class Batcher:
    """Feeds the engine, which is never idle while a film waits; one consumer for each concurrent run.

    In addition one consumer takes stat films alone, and runs them on threads that go first: a stat film does not wait
    for the end of a routine one. While it is busy, the others take stat films too, by rank.

    Invariant: a film is in the queue, or in the batch of one consumer, or its future is done.
    """

    def __init__(self, engine: Engine, lanes: ThreadLanes, metrics: BundleMetrics, limits: BatchLimits) -> None:
        """`lanes` must have room for `limits.concurrent_runs` routine calls."""
        self._engine = engine
        self._lanes = lanes
        self._metrics = metrics
        self._limits = limits
        self._queue = FilmQueue(batch_sizes(limits.max_batch_size), limits.stat_head_start_s)
        self._arrival = asyncio.Event()
        self._stopping = False
        self._dead = False
        self._runs: set[float] = set()
        self._overdue_at: float | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stat_is_busy = False
        self._consumers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to consume."""
        routine = [self._consume("routine") for _ in range(self._limits.concurrent_runs)]
        self._consumers = [asyncio.create_task(consumer) for consumer in (self._consume("stat"), *routine)]
        for consumer in self._consumers:
            consumer.add_done_callback(self._leave_nobody_waiting)
        self._watch = asyncio.create_task(self._interrupt_overdue_runs())

    async def stop(self) -> None:
        """Answer what waits, accept nothing new, and end."""
        self._stopping = True
        self._arrival.set()
        await asyncio.gather(*self._consumers, return_exceptions=True)  # a dead one must not hinder the rest
        if self._watch is not None:
            self._watch.cancel()

    def interrupt(self) -> None:
        """Let every run fail that still goes on: nobody waits for it."""
        self._engine.interrupt(0.0)

    @property
    def overdue(self) -> bool:
        """Whether a run does not end, or had to be interrupted a short while ago."""
        now = time.perf_counter()
        is_recent = self._overdue_at is not None and now - self._overdue_at < self._limits.recovery_s
        return is_recent or any(now - start > self._limits.run_timeout_s for start in self._runs)

    @property
    def alive(self) -> bool:
        """Whether every loop still runs, and no run of the network hangs."""
        latest = time.perf_counter() - self._limits.run_timeout_s
        loops = [*self._consumers, *([] if self._watch is None else [self._watch])]
        return not any(loop.done() for loop in loops) and all(start > latest for start in self._runs)

    @property
    def queue_length(self) -> int:
        """How many films wait for the network."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether no film waits for the network or is in it."""
        return not self._runs and not len(self._queue)

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

    def count(self, films: int) -> None:
        """Count a run of the network, here or in another process, with as many films."""
        self._metrics.batch_size.observe(films)
        self._metrics.images.inc(films)

    async def _interrupt_overdue_runs(self) -> None:
        """A network may loop on some films; its run is interrupted, and the thread is there for other films again."""
        limit_s = self._limits.run_timeout_s
        while True:
            await asyncio.sleep(min(1.0, limit_s / 4))
            now = time.perf_counter()
            if overdue := [now - start for start in self._runs if now - start > limit_s]:
                self._overdue_at = now
                log.error("run_overdue", seconds=round(max(overdue), 1), runs=len(overdue), limit_s=limit_s)
                self._engine.interrupt(limit_s)

    def _leave_nobody_waiting(self, consumer: asyncio.Task[None]) -> None:
        """Where a consumer died, `alive` asks for a restart; until then films are refused, not kept waiting."""
        if consumer.cancelled() or consumer.exception() is not None:
            self._dead = True
            self._queue.fail_all(_dead)

    async def _consume(self, lane: Priority) -> None:
        while True:
            batch = self._queue.take(lane, stat_is_busy=self._stat_is_busy)
            self._metrics.waiting.in_queue = len(self._queue)
            if batch and lane == "stat":
                self._stat_is_busy = True
                self._arrival.set()  # the other stat films are for any consumer now
                await self._run_batch(batch, lane)
                self._stat_is_busy = False
            elif batch:
                await self._run_batch(batch, lane)
            elif self._stopping:
                return
            else:
                self._arrival.clear()
                await self._arrival.wait()

    async def _run_batch(self, batch: list[QueuedFilm], lane: Priority) -> None:
        start = time.perf_counter()
        self._runs.add(start)
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(self._lanes.of(lane), self._run, batch)
        except BaseException as error:  # supervisor: whatever a batch dies of, it takes only its own films with it
            log.exception("batch_failed", films=len(batch))
            for film in batch:
                film.fail(_failure(error))
            if not isinstance(error, Exception):
                raise
            await self._prove(batch[0].image, lane)
            return
        finally:
            self._runs.discard(start)
        inference_s = time.perf_counter() - start
        self.count(len(batch))
        for index, film in enumerate(batch):
            if not film.result.done():
                film.result.set_result(BatchResult(outputs[index], start - film.queued_at, inference_s))

    async def _prove(self, like: NDArray[np.float32], lane: Priority) -> None:
        """Run an empty film after a failure: where the network fails again, this loop ends, and `alive` is false."""
        empty = np.zeros_like(like)[None]
        await asyncio.get_running_loop().run_in_executor(self._lanes.of(lane), self._engine.run, empty, None)

    def _run(self, batch: list[QueuedFilm]) -> Outputs:
        images = np.stack([film.image for film in batch])
        targets = [film.target for film in batch]
        if all(target is None for target in targets):
            return self._engine.run(images, None)
        explained = [MOST_PROBABLE if target is None else target for target in targets]
        return self._engine.run(images, np.array(explained, np.int64))


def _dead() -> NotReadyError:
    return NotReadyError("the network can no longer be run; the service must be restarted, ask another instance")


def _failure(reason: BaseException) -> InferenceError:
    failure = InferenceError("the network failed on this film; the reason is in the service's log")
    failure.__cause__ = reason
    return failure
