"""A bundle in use: the batcher of its network, and the requests that hold it until they are answered."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from imaging.memory.allocator import give_back_freed_memory
from schemas.api import ModelReference
from schemas.engine.tuning import EngineChoice
from service.answers.drift import DriftWindow
from service.capacity.threads import ROUTINE, ThreadLanes
from service.engine.batcher import Batcher, BatchLimits
from service.engine.runs import RunLimits
from service.engine.tuned import tuned
from service.metrics import BundleMetrics
from service.models.loading import LoadedBundle
from service.models.registry import BundleAddress
from service.settings import EngineSettings

STOP_S: Final = 2.0
"""Time for runs of the network at the end, before they are interrupted, and after that: nobody waits for them."""


class LiveBundle:
    """One loaded bundle and the batcher of its network; replaced as a whole, so no answer is from two bundles.

    Invariant: the batcher runs while a request holds this. Its threads are its own: a network that hangs leaves those
    of the bundle that replaces it free.
    """

    def __init__(
        self,
        loaded: LoadedBundle,
        metrics: BundleMetrics,
        settings: EngineSettings,
        drift: DriftWindow | None,
        niceness: int = ROUTINE,
    ) -> None:
        """Start the batcher; the event loop must run.

        Args:
            loaded: the bundle.
            metrics: of its batcher, and of the films that it answers.
            settings: how many runs there are at once, and for how long.
            drift: None where the bundle has no reference to compare films with.
            niceness: of the threads for routine films, in steps.
        """
        settings = tuned(settings.of(loaded.address.name), loaded.tuning, loaded.manifest.offered)
        self.settings = settings
        self.loaded = loaded
        self.metrics = metrics
        self.drift = drift
        self._lanes = ThreadLanes("engine", routine=settings.concurrent_runs, stat=1, niceness=niceness)
        limits = BatchLimits(settings.largest_batch, RunLimits(settings.concurrent_runs, settings.run_timeout_s))
        self.batcher = Batcher(loaded.engine, self._lanes, metrics, limits)
        self.batcher.start()
        self._holders = 0
        if loaded.readers is not None:
            loaded.readers.hold()
        self._departure = asyncio.Event()

    @property
    def address(self) -> BundleAddress:
        """Name and version."""
        return self.loaded.address

    @property
    def engine_choice(self) -> EngineChoice:
        """With which settings the network runs, whoever decided them."""
        return EngineChoice(
            provider=self.settings.provider,
            precision=self.loaded.precision,
            intra_op_threads=self.settings.intra_op_threads,
            concurrent_runs=self.settings.concurrent_runs,
            max_batch_size=self.settings.largest_batch,
            film_processes=0 if self.loaded.readers is None else self.settings.processes,
        )

    @property
    def idle(self) -> bool:
        """Whether no film is shown to the network, and none waits for that."""
        readers = self.loaded.readers
        return self.batcher.idle and not self.metrics.waiting.films and (readers is None or readers.idle)

    @property
    def alive(self) -> bool:
        """Whether films can be answered without a restart."""
        readers = self.loaded.readers
        return self.batcher.alive and (readers is None or readers.alive)

    @property
    def overdue(self) -> bool:
        """Whether a run of the network does not end, or had to be interrupted a short while ago."""
        readers = self.loaded.readers
        return self.batcher.overdue or (readers is not None and readers.overdue)

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Keep the batcher running while a request needs it."""
        self._holders += 1
        try:
            yield self
        finally:
            self._holders -= 1
            self._departure.set()

    async def retire(self) -> None:
        """Wait until no request holds this, then end its batcher."""
        while self._holders:
            self._departure.clear()
            await self._departure.wait()
        await self.batcher.stop()
        self._lanes.shutdown()
        if self.loaded.readers is not None:
            self.loaded.readers.release()


@dataclass(frozen=True, slots=True)
class ServingBundles:
    """The bundles that serve while one request is answered, in the order of preference; there is at least one."""

    live: tuple[LiveBundle, ...]
    missing: tuple[str, ...] = ()
    """Names of those that ought to serve, and do not."""
    challenger: LiveBundle | None = None
    """One that reads the film too, once it is answered: it never answers."""

    @property
    def first(self) -> LiveBundle:
        """The preferred one."""
        return self.live[0]

    @property
    def only_reference(self) -> ModelReference | None:
        """How answers name the bundle, where one alone can answer."""
        return self.first.loaded.reference if self.is_alone else None

    @property
    def digest(self) -> str:
        """SHA-256 of what may answer a film: that of the only bundle, or of the hashes of all in their order."""
        hashes = [each.loaded.reference.sha256 for each in self.live]
        return hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()

    @property
    def answers_sha256(self) -> str:
        """SHA-256 of everything about them that decides an answer: manifests, precisions, operating points, gaps."""
        each = [
            (
                live.loaded.bundle.sha256,
                live.loaded.precision,
                None if live.loaded.site is None else live.loaded.site.sha256,
            )
            for live in self.live
        ]
        return sha256(repr((each, self.missing)).encode()).hexdigest()

    @property
    def is_alone(self) -> bool:
        """Whether there is nothing to choose from, and never was."""
        return len(self.live) + len(self.missing) == 1


class Retirement:
    """The bundles that were replaced, until nobody holds them."""

    def __init__(self) -> None:
        self._bundles: dict[asyncio.Task[None], LiveBundle] = {}

    def begin(self, live: LiveBundle) -> None:
        """Let a bundle go, once it is held by nobody; the event loop must run."""

        async def retire() -> None:
            await live.retire()
            await asyncio.to_thread(free_memory)  # not by the loader: its threads wait for a core, and memory must not

        task = asyncio.create_task(retire())
        self._bundles[task] = live
        task.add_done_callback(lambda done: self._bundles.pop(done, None))

    async def end(self) -> None:
        """Wait for all, for a while; then their runs are interrupted. A dead one must not hinder the rest."""
        for _ in range(2):
            if self._bundles:
                await asyncio.wait(self._bundles, timeout=STOP_S)
            for live in self._bundles.values():
                live.batcher.interrupt()


def free_memory() -> None:
    """Give back the heap of a session that is gone: otherwise swaps leak, measured 251 to 284 MB in 16 of them."""
    gc.collect()
    give_back_freed_memory()
