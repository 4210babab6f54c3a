"""Greedy batching: a batch is whatever waits when the network is free; no timer, no film waits for another.

The flow was learned from Hugging Face text-embeddings-inference (`core/src/queue.rs`,
`core/src/infer.rs`): a caller needs a permit before any work is done for it, the queue behind the
permits cannot overflow, and an entry whose caller has left is dropped while the batch is built.
"""

import asyncio
import time
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas.errors import InferenceError, NotReadyError
from service.admission import Priority
from service.engine import MOST_PROBABLE, Engine, Outputs
from service.metrics import Metrics

log = structlog.get_logger("service.batcher")


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

    Invariant: an entry is in `_waiting`, or in the batch of one consumer, or its future is done.
    """

    def __init__(self, engine: Engine, threads: Executor, metrics: Metrics, limits: Limits) -> None:
        """`threads` must have room for `limits.concurrent_runs` calls."""
        self._engine, self._threads, self._metrics, self._limits = engine, threads, metrics, limits
        self._sizes = batch_sizes(limits.max_batch_size)
        self._waiting: list[_Entry] = []
        self._arrival = asyncio.Event()
        self._draining = False
        self._runs: set[float] = set()
        self._consumers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to consume."""
        self._consumers = [asyncio.create_task(self._consume()) for _ in range(self._limits.concurrent_runs)]
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
            NotReadyError: the service is draining, or nobody feeds the network any more.
        """
        if self._draining:
            self._metrics.shed.labels("draining").inc()
            msg = "the service is shutting down; send the film to another instance"
            raise NotReadyError(msg)
        if self._is_dead:
            raise _dead()
        now = time.perf_counter()  # not the loop's clock: uvloop counts milliseconds
        rank = now - self._limits.stat_head_start_s if priority == "stat" else now
        entry = _Entry(image, target, rank, now, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._metrics.queue_depth.set(len(self._waiting))
        self._arrival.set()
        return await entry.answer

    @property
    def _is_dead(self) -> bool:
        return bool(self._consumers) and all(consumer.done() for consumer in self._consumers)

    def _leave_nobody_waiting(self, _consumer: asyncio.Task[None]) -> None:
        if self._is_dead:
            for entry in self._waiting:
                if not entry.answer.done():
                    entry.answer.set_exception(_dead())

    async def _consume(self) -> None:
        while True:
            batch = self._take()
            if batch:
                await self._answer(batch)
            elif self._draining:
                return
            else:
                self._arrival.clear()
                await self._arrival.wait()

    def _take(self) -> list[_Entry]:
        # A future is done before its answer when the caller left or its deadline passed: nobody waits for it.
        live = sorted((entry for entry in self._waiting if not entry.answer.done()), key=lambda entry: entry.rank)
        size = max((size for size in self._sizes if size <= len(live)), default=0)
        batch, self._waiting = live[:size], live[size:]
        self._metrics.queue_depth.set(len(self._waiting))
        return batch

    async def _answer(self, batch: list[_Entry]) -> None:
        start = time.perf_counter()
        self._runs.add(start)
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(self._threads, self._run, batch)
        except BaseException as error:  # supervisor: whatever a batch dies of, it takes only its own films with it
            log.exception("batch_failed", films=len(batch))
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(_failure(error))
            if not isinstance(error, Exception):
                raise
            await self._prove(batch[0].image)
            return
        finally:
            self._runs.discard(start)
        inference_s = time.perf_counter() - start
        self._metrics.batch_size.observe(len(batch))
        self._metrics.images.inc(len(batch))
        for index, entry in enumerate(batch):
            if not entry.answer.done():
                entry.answer.set_result(Answer(outputs[index], start - entry.queued_at, inference_s))

    async def _prove(self, like: NDArray[np.float32]) -> None:
        """Ask the network for an empty film after a failure: where it fails, too, this loop ends, and `alive` tells."""
        empty = np.zeros_like(like)[None]
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.run, empty, None)

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
