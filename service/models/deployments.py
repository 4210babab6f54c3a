"""The bundles that serve side by side: each in a deployment of its own, in the order of preference."""

from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace

from schemas.errors import BundleError, InvalidParameterError, NotFoundError, NotReadyError
from service.capacity.threads import SPARE
from service.metrics import BundleMetrics, Metrics
from service.models.live import LiveBundle, ServingBundles
from service.models.loading import BundleLoader
from service.models.prover import LentProver
from service.models.registry import BundleAddress, BundleRegistry
from service.models.swap import Deployment
from service.settings import ModelSettings


class Deployments:
    """Each bundle is loaded, watched, swapped, refused and rolled back by itself; the others do not notice.

    Invariant: there is at least one deployment, and one thread loads for all of them, so that two bundles are never
    loaded at the same time.
    """

    def __init__(self, by_name: Mapping[str, Deployment], loader_thread: Executor) -> None:
        """Nothing is loaded yet.

        Args:
            by_name: the first is preferred; one alone may serve a bundle of any name.
            loader_thread: that of all of them; it ends with this.
        """
        self._by_name = dict(by_name)
        self._loader_thread = loader_thread

    @classmethod
    def of(
        cls,
        settings: ModelSettings,
        registry: BundleRegistry,
        loader: BundleLoader,
        loader_thread: Executor,
        metrics: Metrics,
    ) -> "Deployments":
        """Those that the settings describe."""
        if len(settings.models) <= 1:
            choice = registry.choosing(settings.models[0]) if settings.models else registry
            alone = Deployment(settings, choice, loader, loader_thread, metrics.bundle())
            return cls({"": alone}, loader_thread)
        by_name = {
            name: Deployment(settings, registry.choosing(choice), loader, loader_thread, metrics.bundle(name))
            for name, choice in zip(settings.names, settings.models, strict=True)
        }
        return cls(by_name, loader_thread)

    @property
    def by_name(self) -> Mapping[str, Deployment]:
        """Each deployment by the name of its bundle, in the order of preference; "" where there is one alone."""
        return self._by_name

    @property
    def first(self) -> Deployment:
        """The preferred one."""
        return next(iter(self._by_name.values()))

    @property
    def live(self) -> tuple[LiveBundle, ...]:
        """The bundles that serve, in the order of preference; none where none could be loaded yet."""
        return tuple(each.live for each in self._by_name.values() if each.live is not None)

    @property
    def refused(self) -> Mapping[BundleAddress, str]:
        """Bundles that failed their checks, and why."""
        return {address: reason for each in self._by_name.values() for address, reason in each.refused.items()}

    @property
    def alive(self) -> bool:
        """Whether the loops that answer films and that watch the models directory still run."""
        return all(each.alive for each in self._by_name.values())

    @property
    def faults(self) -> Mapping[str, str]:
        """By the name of a bundle, why it does not answer just now; one that answers is left out."""
        faults: dict[str, str] = {}
        for name, each in self._by_name.items():
            try:
                each.check_network()
            except NotReadyError as error:
                faults[name] = str(error)
        return faults

    def check(self) -> None:
        """Whether films should be sent: a bundle that is missing must not take those that are sound with it.

        Raises:
            NotReadyError: no bundle answers.
        """
        faults = self.faults
        if len(faults) == len(self._by_name):
            raise NotReadyError("; ".join(f"{name}: {fault}" if name else fault for name, fault in faults.items()))

    def ready(self) -> tuple[LiveBundle, ...]:
        """The bundles that serve, at least one, in the order of preference.

        Raises:
            NotReadyError: none serves.
        """
        if not self.live:
            self.check()
        return self.live

    @contextmanager
    def held(self) -> Iterator[ServingBundles]:
        """The bundles that serve, kept until what holds them is over; the event loop alone may hold.

        Raises:
            NotReadyError: none serves.
        """
        live = self.ready()
        missing = tuple(name for name, each in self._by_name.items() if each.live is None)
        with ExitStack() as stack:
            yield ServingBundles(tuple(stack.enter_context(each.held()) for each in live), missing)

    async def activate(self, address: BundleAddress) -> LiveBundle:
        """Serve this bundle in the place of the one of its name; see `Deployment.activate`.

        Raises:
            NotFoundError: there is no such bundle.
            BundleError: it failed its checks, or no bundle of its name is to serve.
        """
        if len(self._by_name) == 1:
            return await self.first.activate(address)
        deployment = self._by_name.get(address.name)
        if deployment is None:
            msg = f"CXR_MODELS names {', '.join(self._by_name)}; activate a version of one of these, or name it there"
            raise BundleError(msg)
        return await deployment.activate(address)

    async def rollback(self, name: str | None) -> LiveBundle:
        """Serve the bundle before this one again; see `Deployment.rollback`.

        Args:
            name: of the bundle; None: of the only one.

        Raises:
            NotFoundError: no bundle of this name serves.
            InvalidParameterError: there are several, and none is named.
            BundleError: there is no earlier one.
        """
        if name is None and len(self._by_name) > 1:
            msg = f"several bundles serve; send POST /models/NAME/rollback with one of {', '.join(self._by_name)}"
            raise InvalidParameterError(msg)
        if name is None:
            return await self.first.rollback()
        deployment = self._by_name.get(name, self._by_name.get(""))
        live = None if deployment is None else deployment.live
        if deployment is None or live is None or live.address.name != name:
            msg = "no bundle of this name serves; GET /models lists those that do"
            raise NotFoundError(msg)
        return await deployment.rollback()

    def stop_loading(self) -> None:
        """End what is being loaded: the process ends, and nobody needs it any more."""
        self.first.stop_loading()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the bundles one after another, and watch the models directory until the end.

        Raises:
            CxrError: what no other bundle would mend: the provider is not there.
        """
        with self._loader_thread:
            async with AsyncExitStack() as stack:
                for each in self._by_name.values():
                    await stack.enter_async_context(each.running())
                yield


def reading_along(
    settings: ModelSettings, registry: BundleRegistry, loader: BundleLoader, loader_thread: Executor, metrics: Metrics
) -> Deployment:
    """The deployment of a bundle that answers nobody: it is loaded, watched and swapped as those that serve.

    Its figures are not among theirs, and its network runs on a thread that gives way to all of theirs.

    Args:
        settings: of those that serve.
        registry: which chooses it.
        loader: of those that serve.
        loader_thread: theirs: no two bundles are loaded at the same time.
        metrics: of the service.
    """
    engine = loader.settings.model_copy(update={"concurrent_runs": 1})
    spare = replace(loader, settings=engine, prover=LentProver(loader.prover), niceness=SPARE)
    return Deployment(settings, registry, spare, loader_thread, BundleMetrics(metrics.shed))
