"""One bundle that serves, the one before it, and the way from one to the next without a request noticing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from schemas.errors import BundleError, CxrError, InternalError, NotReadyError
from service.answers.drift import DriftWindow, register_drift_gauges
from service.metrics import BundleMetrics
from service.models.attempts import Attempts
from service.models.candidate import check_classes, check_speed, check_version
from service.models.live import LiveBundle, Retirement
from service.models.loading import BundleLoader, LoadedBundle
from service.models.registry import BundleAddress, BundleRegistry
from service.settings import ModelSettings

Result = TypeVar("Result")

log = structlog.get_logger("service.models.swap")


class Deployment:
    """Watches the models directory, and swaps the bundle that serves when another is chosen and passes its checks.

    A candidate is opened, hashed, self-tested and warmed while the other serves, then one reference is replaced.
    Requests keep the bundle that they began with. The bundle before stays in memory. A candidate that is refused is
    tried again only once its files or the choice have changed; of a name alone, the next version is tried instead.
    """

    def __init__(
        self,
        settings: ModelSettings,
        registry: BundleRegistry,
        loader: BundleLoader,
        loader_thread: Executor,
        metrics: BundleMetrics,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._loader = loader
        self._loader_thread = loader_thread
        self._metrics = metrics
        self._live: LiveBundle | None = None
        self._previous: LoadedBundle | None = None
        self._failure: CxrError | None = None
        self._refused: dict[BundleAddress, str] = {}
        self._attempts = Attempts()
        self._last_fault: str | None = None  # of a look that found no bundle to serve
        self._changing = asyncio.Lock()
        self._retirement = Retirement()
        self._watcher: asyncio.Task[None] | None = None
        metrics.serves.set_function(lambda: float(self._live is not None))

    @property
    def live(self) -> LiveBundle | None:
        """The bundle that serves; None where none could be loaded yet."""
        return self._live

    @property
    def refused(self) -> dict[BundleAddress, str]:
        """Bundles that failed their checks, and why."""
        return dict(self._refused)

    @property
    def alive(self) -> bool:
        """Whether the loops that answer films and that watch the models directory still run."""
        watching = self._watcher is None or not self._watcher.done()
        return watching and (self._live is None or self._live.alive)

    def ready(self) -> LiveBundle:
        """The bundle that serves.

        Raises:
            NotReadyError: there is none; the message carries the reason's code.
        """
        if self._live is None:
            reason = "it is still loading" if self._failure is None else f"{self._failure.code}: {self._failure}"
            msg = f"no bundle serves: {reason}"
            raise NotReadyError(msg)
        return self._live

    def check_network(self) -> None:
        """Whether the network ends: one that does not is not where films should be sent.

        Raises:
            NotReadyError: there is no bundle, or a run of its network does not end or was interrupted just now.
        """
        live = self.ready()
        if live.overdue:
            msg = (
                f"the network of {live.address} did not end within {self._loader.settings.run_timeout_s:g} s on a film "
                "(CXR_RUN_TIMEOUT_S); send POST /models/rollback, or publish another bundle"
            )
            raise NotReadyError(msg)

    def stop_loading(self) -> None:
        """End what is being loaded: the process ends, and nobody needs it any more."""
        self._loader.prover.stop()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the chosen bundle, and watch the models directory until the end; without a bundle, wait for one.

        Raises:
            CxrError: what no other bundle would mend: the provider is not there.
        """
        try:
            await self._look()
            self._watcher = asyncio.create_task(self._watch())
            yield
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """Answer what was admitted, and end; what is being loaded is of no use any more."""
        self.stop_loading()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._live is not None:
            self._retirement.begin(self._live)
        await self._retirement.end()

    async def activate(self, address: BundleAddress) -> LiveBundle:
        """Serve this bundle until the models directory chooses another, or the process ends.

        Raises:
            NotFoundError: there is no such bundle.
            BundleError: it failed its checks; the bundle that served goes on.
        """
        async with self._changing:
            if self._live is None or self._live.address != address:
                await self._replace(address)
            return self.ready()

    async def rollback(self) -> LiveBundle:
        """Serve the bundle before this one again, which is still in memory, once it has its processes again.

        Raises:
            BundleError: there is none, or they cannot be started.
        """
        async with self._changing:
            if (before := self._previous) is None:
                msg = "no earlier bundle is in memory: this is the first since the start; activate one by its name"
                raise BundleError(msg)
            with before.kept():
                self._swap(await self._in_loader(lambda: self._loader.renewed(before)))
            return self.ready()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.model_poll_s)
            try:
                await self._look()
            except Exception:  # supervisor: whatever a candidate dies of, the bundle that serves goes on
                self._metrics.model_loads.labels("refused", InternalError.code).inc()
                log.exception("bundle_refused")

    async def _look(self) -> None:
        """One look at the models directory; what is chosen there is tried once for each state of its files."""
        async with self._changing:
            try:
                choice = await self._in_loader(self._registry.look)
            except BundleError as error:
                if self._last_fault != str(error):
                    self._last_fault = str(error)
                    self._refuse(None, error)
                return
            self._last_fault = None
            for stamp in self._attempts.worth(choice):
                try:
                    await self._replace(stamp.address, by_itself=True)
                except BundleError as error:
                    kept = str(self._live.address) if self._live else None
                    log.warning("bundle_kept", bundle=kept, tried=str(stamp.address), code=error.code)
                else:
                    self._attempts.served(stamp)
                    return

    async def _replace(self, address: BundleAddress, *, by_itself: bool = False) -> None:
        """Load a bundle and let it serve.

        Raises:
            CxrError: it is refused; it is counted and logged.
        """
        start = time.perf_counter()
        current = None if self._live is None else self._live.loaded
        try:
            loaded = await self._loader.span(self._in_loader(lambda: self._load(address, current, by_itself=by_itself)))
        except BundleError as error:
            self._refuse(address, error)
            raise
        except CxrError as error:
            log.error("start_refused", code=error.code, reason=str(error))  # noqa: TRY400 the reason is enough
            raise
        self._refused.pop(address, None)
        if loaded is current:
            return
        self._metrics.model_loads.labels("loaded", "").inc()
        seconds = round(time.perf_counter() - start, 3)
        log.info("bundle_loaded", bundle=str(address), sha256=loaded.reference.sha256, seconds=seconds)
        self._swap(loaded)

    def _load(self, address: BundleAddress, current: LoadedBundle | None, *, by_itself: bool) -> LoadedBundle:
        check_version(address, self._settings.least_version_of(address.name))
        bundle = self._registry.open(address)
        if by_itself and current is not None and bundle.sha256 == current.bundle.sha256:
            return self._loader.at_site(current)  # its files were copied over themselves, or its site profile changed
        loaded = self._loader.load(bundle)
        if current is not None and by_itself:
            check_classes(loaded, current)
        if current is not None:
            check_speed(loaded, current, self._settings.max_slowdown)
        return loaded

    def _swap(self, loaded: LoadedBundle) -> None:
        """Replace the one reference that requests read; nothing is awaited in here."""
        before = self._live
        reference = loaded.manifest.drift_reference
        window = None if reference is None else DriftWindow(reference, self._settings.drift_window)
        register_drift_gauges(window, self._metrics)
        self._live = LiveBundle(loaded, self._metrics, self._loader.settings, window, self._loader.niceness)
        self._failure = None
        if before is not None:
            if before.loaded.reference != loaded.reference:  # else only the site's operating point changed
                self._previous = before.loaded
            self._retirement.begin(before)
        self._metrics.selftest_error.set(loaded.selftest_error)
        model = loaded.reference
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(
            model.name, model.version, model.architecture, model.sha256, self._live.settings.provider
        ).set(1)
        log.info("bundle_serves", bundle=str(self._live.address), precision=model.precision, sha256=model.sha256)

    def _refuse(self, address: BundleAddress | None, error: BundleError) -> None:
        if self._live is None:
            self._failure = error
        if address is not None:
            self._refused[address] = str(error)
        self._metrics.model_loads.labels("refused", error.code).inc()
        log.error("bundle_refused", bundle=address and str(address), code=error.code, reason=str(error))

    async def _in_loader(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._loader_thread, work)
