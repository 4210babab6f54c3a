"""Keeps a models directory as the registry or object store offers it, beside the bundles that serve."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, Self

import structlog

from bundle.stores.address import cache_folder
from bundle.stores.cache import Changes
from bundle.stores.mirror import Mirror
from bundle.stores.opening import open_source
from bundle.stores.source import StoreOptions
from schemas.errors import BundleError, CxrError, InternalError, SettingsError
from schemas.serving import StoreState
from service.capacity.threads import SPARE, computing_threads
from service.measures.store import StoreMetrics
from service.settings import ModelSettings, StoreSettings

START_S: Final = 60.0
"""How long a start waits for the store; the listener opens then, and the service is not ready until there is a bundle.

Less than a startup probe allows: whoever ends a process in its first download lets the next one begin it again.
"""
_LONGEST_PAUSE: Final = 4
"""Doublings of the time between two looks while the store offers what is not sound: each brings it again."""

log = structlog.get_logger("service.models.store")


class StoreWatch:
    """Asks the store at the start and every CXR_STORE_POLL_S, on a thread of its own.

    The directory that it keeps is watched like any other: a bundle that the store offers anew is loaded, proved and
    swapped by `service.models.swap`. Where the store gives no answer, what was there stays.
    """

    def __init__(
        self, address: str, mirror: Mirror, poll_s: float, metrics: StoreMetrics, stop: threading.Event
    ) -> None:
        """Nothing is asked yet.

        Args:
            address: of the store; it holds no secret.
            mirror: the directory.
            poll_s: between two looks.
            metrics: of the store.
            stop: ends a download in the middle.
        """
        self.address = address
        self.mirror = mirror
        self._poll_s = poll_s
        self._metrics = metrics
        self._stop = stop
        self._fault: str | None = None
        self._unsound = 0
        self._answered_at: datetime | None = None

    @classmethod
    def of(cls, models: ModelSettings, settings: StoreSettings, metrics: StoreMetrics) -> Self | None:
        """The store that the settings name; None where bundles lie in a folder.

        Raises:
            SettingsError: a certificate cannot be read, or a package is missing.
        """
        if not isinstance(models.models_dir, str):
            return None
        stop = threading.Event()
        options = StoreOptions(settings.timeout_s, settings.ca_file, settings.allow_http)
        try:
            source = open_source(models.models_dir, options)
        except CxrError as error:
            msg = f"CXR_MODELS_DIR: {error}"
            raise SettingsError(msg) from error
        mirror = Mirror(cache_folder(models.models_cache, source.address), source, stopped=stop.is_set)
        return cls(source.address, mirror, settings.poll_s, metrics, stop)

    def state(self) -> StoreState:
        """What operators are shown."""
        listing = self.mirror.listing
        return StoreState(
            address=self.address,
            revision=None if listing is None else listing.revision,
            answered_at=self._answered_at,
            fault=self._fault,
        )

    def stop(self) -> None:
        """End what is being downloaded: the process ends."""
        self._stop.set()

    @asynccontextmanager
    async def running(self, patience_s: float = START_S) -> AsyncIterator[None]:
        """Show what the cache holds and what the store offers, and go on asking until the end.

        Args:
            patience_s: how long the store is waited for; a download that takes longer goes on beside the service.
        """
        with computing_threads(1, "store", SPARE) as thread:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(thread, self._recall)
            first = asyncio.create_task(self._look(thread))
            await asyncio.wait({first}, timeout=patience_s)
            watcher = asyncio.create_task(self._watch(first, thread))
            try:
                yield
            finally:
                self.stop()
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)

    async def _watch(self, first: asyncio.Task[None], thread: Executor) -> None:
        await first
        while True:
            await asyncio.sleep(self._poll_s * 2 ** min(self._unsound, _LONGEST_PAUSE))
            await self._look(thread)

    def _recall(self) -> None:
        try:
            listing = self.mirror.recall()
        except OSError as error:
            log.error("store_cache_unusable", reason=error.strerror)  # noqa: TRY400 the reason is enough
            return
        if listing is not None:
            log.info("store_cache_verified", store=self.address, revision=listing.revision)

    async def _look(self, thread: Executor) -> None:
        try:
            changes = await asyncio.get_running_loop().run_in_executor(thread, self.mirror.synchronise)
        except CxrError as error:
            self._unsound += isinstance(error, BundleError)
            self._note_fault(error.code, str(error))
        except OSError as error:
            self._note_fault(
                InternalError.code, f"the cache cannot be written ({error.strerror}); see CXR_MODELS_CACHE"
            )
        except Exception:  # supervisor: whatever a look dies of, the bundles that serve go on
            log.exception("store_look_failed")
            self._note_fault(InternalError.code, "a look at the store failed; see the log")
        else:
            self._unsound = 0
            self._note_answer(changes)

    def _note_answer(self, changes: Changes) -> None:
        self._answered_at = datetime.now(UTC)
        self._metrics.answered.labels(self.address).set(self._answered_at.timestamp())
        self._metrics.reachable.labels(self.address).set(1)
        self._metrics.polls.labels("changed" if changes.is_new else "unchanged").inc()
        self._metrics.discarded.inc(len(changes.discarded))
        if changes.discarded:
            log.error("store_cache_discarded", bundles=changes.discarded, reason="not what their hashes say")
        if self._fault is not None:
            log.info("store_answers_again", store=self.address)
            self._fault = None
        if changes.is_new and (listing := self.mirror.listing) is not None:
            log.info("store_changed", store=self.address, revision=listing.revision, fetched=changes.fetched)

    def _note_fault(self, code: str, reason: str) -> None:
        self._metrics.reachable.labels(self.address).set(0)
        self._metrics.polls.labels(code).inc()
        if self._fault != reason:  # once, and not at every look
            serves = "the cache" if self.mirror.listing is not None else "nothing"
            log.warning("store_unusable", store=self.address, code=code, reason=reason, serves_from=serves)
        self._fault = reason
