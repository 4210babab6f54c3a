"""A bundle in use: the batcher of its network, and the requests that hold it until they are answered."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from imaging.memory.allocator import give_back_freed_memory
from service.answers.drift import DriftWindow
from service.capacity.threads import ThreadLanes
from service.engine.batcher import Batcher, BatchLimits
from service.metrics import Metrics
from service.models.loading import LoadedBundle
from service.models.registry import BundleAddress
from service.settings import EngineSettings


class LiveBundle:
    """One loaded bundle and the batcher of its network; replaced as a whole, so no answer is from two bundles.

    Invariant: the batcher runs while a request holds this. Its threads are its own: a network that hangs leaves those
    of the bundle that replaces it free.
    """

    def __init__(
        self, loaded: LoadedBundle, metrics: Metrics, settings: EngineSettings, drift: DriftWindow | None
    ) -> None:
        """Start the batcher; the event loop must run.

        Args:
            loaded: the bundle.
            metrics: of its batcher.
            settings: how many runs there are at once, and for how long.
            drift: None where the bundle has no reference to compare films with.
        """
        self.loaded = loaded
        self.drift = drift
        self._lanes = ThreadLanes("engine", routine=settings.concurrent_runs, stat=1)
        limits = BatchLimits(settings.largest_batch, settings.concurrent_runs, run_timeout_s=settings.run_timeout_s)
        self.batcher = Batcher(loaded.engine, self._lanes, metrics, limits)
        self.batcher.start()
        self._holders = 0
        self._departure = asyncio.Event()

    @property
    def address(self) -> BundleAddress:
        """Name and version."""
        return self.loaded.address

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


def free_memory() -> None:
    """Give back the heap of a session that is gone: otherwise swaps leak, measured 251 to 284 MB in 16 of them."""
    gc.collect()
    give_back_freed_memory()
