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
from service.capacity.admission import Priority
from service.capacity.threads import Lanes
from service.engine.engine import Engine, Outputs
from service.metrics import Metrics

log = structlog.get_logger("service.engine.batcher")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a batcher takes on."""

    max_batch_size: int
    concurrent_runs: int
    stat_head_start_s: float = 5.0
    """A stat film overtakes the routine films that came less than this before it: none of them waits for ever."""
    run_timeout_s: float = 30.0
    """A run that takes longer will not end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one film got, and how long it waited and ran."""

    outputs: Outputs
    """Of this film alone, N = 1."""
    queue_s: float
    inference_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    image: NDArray[np.float32]  # [1, S, S]
    target: int | None
    priority: Priority
    rank: float
    queued_at: float
    answer: asyncio.Future[Answer]


def batch_sizes(largest: int) -> tuple[int, ...]:
    """The batch sizes that are run, and so are warmed: the powers of two, and `largest`.

    A batch is the largest of them that waits. Nothing is padded: on a CPU a padded film costs as much
    as a real one, and on a GPU a shape that was not warmed costs far more than a second, smaller run.
    """
    return (*(1 << power for power in range((largest - 1).bit_length())), largest)


class Batcher:
    """Feeds the engine, which is never idle while a film waits; one consumer for each concurrent run.

    Beside them one consumer takes stat films alone, and runs them on threads that go first: a stat film does not wait
    for the end of a routine one. While it is busy, the others take stat films too, by rank.

    Invariant: an entry is in `_waiting`, or in the batch of one consumer, or its future is done.
    """

    def __init__(self, engine: Engine, lanes: Lanes, metrics: Metrics, limits: Limits) -> None:
        """`lanes` must have room for `limits.concurrent_runs` routine calls."""
        self._engine = engine
        self._lanes = lanes
        self._metrics = metrics
        self._limits = limits
        self._sizes = batch_sizes(limits.max_batch_size)
        self._waiting: list[_Entry] = []
        self._arrival = asyncio.Event()
        self._draining = self._dead = False
        self._runs: set[float] = set()
        self._stat_runs = False
        self._consumers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to consume."""
        routine = [self._consume("routine") for _ in range(self._limits.concurrent_runs)]
        self._consumers = [asyncio.create_task(consumer) for consumer in (self._consume("stat"), *routine)]
        for consumer in self._consumers:
            consumer.add_done_callback(self._leave_nobody_waiting)

    async def stop(self) -> None:
        """Answer what waits, accept nothing new, and end."""
        self._draining = True
        self._arrival.set()
        await asyncio.gather(*self._consumers, return_exceptions=True)  # a dead one must not hinder the rest

    @property
    def alive(self) -> bool:
        """Whether every consumer still consumes, and no run of the network hangs."""
        latest = time.perf_counter() - self._limits.run_timeout_s
        return not any(consumer.done() for consumer in self._consumers) and all(start > latest for start in self._runs)

    async def submit(self, image: NDArray[np.float32], *, target: int | None, priority: Priority) -> Answer:
        """Wait for the network's outputs for one film; cancel to give up.

        Args:
            image: [1, S, S] in [0, 1].
            target: class to explain or `MOST_PROBABLE`; None: no heat maps.
            priority: stat goes before routine.

        Raises:
            InferenceError: the batch of this film failed.
            NotReadyError: the service is draining, or the network can no longer be run.
        """
        if self._draining:
            self._metrics.shed.labels("draining").inc()
            msg = "the service is shutting down; send the film to another instance"
            raise NotReadyError(msg)
        if self._dead:
            raise _dead()
        now = time.perf_counter()  # not the loop's clock: uvloop counts milliseconds
        rank = now - self._limits.stat_head_start_s if priority == "stat" else now
        entry = _Entry(image, target, priority, rank, now, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._metrics.queue_depth.set(len(self._waiting))
        self._arrival.set()
        return await entry.answer

    def _leave_nobody_waiting(self, consumer: asyncio.Task[None]) -> None:
        """Where a consumer died, `alive` asks for a restart; until then films are refused, not kept waiting."""
        if consumer.cancelled() or consumer.exception() is not None:
            self._dead = True
            for entry in self._waiting:
                if not entry.answer.done():
                    entry.answer.set_exception(_dead())

    async def _consume(self, lane: Priority) -> None:
        while True:
            batch = self._take(lane)
            if batch and lane == "stat":
                self._stat_runs = True
                self._arrival.set()  # the other stat films are for any consumer now
                await self._answer(batch, lane)
                self._stat_runs = False
            elif batch:
                await self._answer(batch, lane)
            elif self._draining:
                return
            else:
                self._arrival.clear()
                await self._arrival.wait()

    def _take(self, lane: Priority) -> list[_Entry]:
        fit = sorted((entry for entry in self._waiting if self._is_for(lane, entry)), key=lambda entry: entry.rank)
        size = max((size for size in self._sizes if size <= len(fit)), default=0)
        batch = fit[:size]
        # A future is done before its answer when the caller left or its deadline passed: nobody waits for it.
        self._waiting = [entry for entry in self._waiting if entry not in batch and not entry.answer.done()]
        self._metrics.queue_depth.set(len(self._waiting))
        return batch

    def _is_for(self, lane: Priority, entry: _Entry) -> bool:
        # A stat film is left to the stat consumer, unless that one is busy.
        return not entry.answer.done() and (entry.priority == lane or (lane == "routine" and self._stat_runs))

    async def _answer(self, batch: list[_Entry], lane: Priority) -> None:
        start = time.perf_counter()
        self._runs.add(start)
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(self._lanes.of(lane), self._run, batch)
        except BaseException as error:  # supervisor: whatever a batch dies of, it takes only its own films with it
            log.exception("batch_failed", films=len(batch))
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(_failure(error))
            if not isinstance(error, Exception):
                raise
            await self._prove(batch[0].image, lane)
            return
        finally:
            self._runs.discard(start)
        inference_s = time.perf_counter() - start
        self._metrics.batch_size.observe(len(batch))
        self._metrics.images.inc(len(batch))
        for index, entry in enumerate(batch):
            if not entry.answer.done():
                entry.answer.set_result(Answer(outputs[index], start - entry.queued_at, inference_s))

    async def _prove(self, like: NDArray[np.float32], lane: Priority) -> None:
        """Ask the network for an empty film after a failure: where it fails, too, this loop ends, and `alive` tells."""
        empty = np.zeros_like(like)[None]
        await asyncio.get_running_loop().run_in_executor(self._lanes.of(lane), self._engine.run, empty, None)

    def _run(self, batch: list[_Entry]) -> Outputs:
        images = np.stack([entry.image for entry in batch])
        targets = [entry.target for entry in batch]
        if all(target is None for target in targets):
            return self._engine.run(images, None)
        wanted = [MOST_PROBABLE if target is None else target for target in targets]
        return self._engine.run(images, np.array(wanted, np.int64))


def _dead() -> NotReadyError:
    return NotReadyError("the network can no longer be run; the service must be restarted, ask another instance")


def _failure(reason: BaseException) -> InferenceError:
    failure = InferenceError("the network failed on this film; the reason is in the service's log")
    failure.__cause__ = reason
    return failure
