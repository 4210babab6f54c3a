"""The bundle that is chosen at the start, proved and loaded while the rest of the service is being imported."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Self

from bundle.opening import Bundle
from schemas.errors import CxrError
from service.capacity.threads import STAT, computing_threads
from service.engine.engine import OnnxEngine
from service.films.nursery import Nursery
from service.models.candidate import check_version
from service.models.loading import BundleLoader, LoadedBundle
from service.models.prover import NoProver, Prover
from service.models.registry import BundleRegistry
from service.models.site_profiles import SiteProfiles
from service.settings import Settings


class HeadStart:
    """Loads one bundle in a thread, with every check; who loads the same bundle first then gets what became of it.

    Which bundle is chosen, and whether its files are whole, is found again by who asks.
    """

    def __init__(self, bundle: Bundle, loader: BundleLoader) -> None:
        """Begin to load `bundle`."""
        self._bundle = bundle
        thread = computing_threads(1, "head-start", STAT)  # no film waits for it, everybody does
        self._loaded: Future[LoadedBundle] | None = thread.submit(loader.load, bundle)
        thread.shutdown(wait=False)

    @classmethod
    def of(cls, settings: Settings, prover: Prover) -> Self | None:
        """Begin with the bundle that is preferred; None where none is whole, several serve, or a store brings them.

        Raises:
            SettingsError: a file of keys cannot be read.
        """
        models = settings.models
        if len(models.models) > 1 or isinstance(models.models_dir, str):
            return None
        profiles = SiteProfiles.of(settings.evidence)
        registry = BundleRegistry.of(models, profiles)
        loader = BundleLoader(OnnxEngine.opener(settings.engine), settings.engine, prover, profiles)
        if models.models:
            registry = registry.choosing(models.models[0])
        try:
            address = registry.candidates()[0]
            check_version(address, models.least_version_of(address.name))
            # Here, not in the thread: it would wait for its turn after each of the many pieces that are read.
            return cls(registry.open(address), loader)
        except CxrError:  # who asks next finds the same, and reports it
            return None

    def take(self, bundle: Bundle) -> LoadedBundle | None:
        """What became of this bundle, once; None: it is another one, or is to be loaded again.

        Raises:
            CxrError: it was refused; see `BundleLoader.load`.
        """
        loaded, self._loaded = self._loaded, None
        if loaded is None or (self._bundle.directory, self._bundle.sha256) != (bundle.directory, bundle.sha256):
            return None
        return loaded.result()


@dataclass(frozen=True, slots=True)
class Begun:
    """What was begun before the app is made: what only a process without threads can begin, and what takes longest."""

    prover: Prover = field(default_factory=NoProver)
    """Where a bundle is proved before this process loads it."""
    nursery: Nursery | None = None
    """What starts the processes that read films; None: threads of this process read them."""
    ahead: Callable[[Bundle], LoadedBundle | None] = lambda _: None
    """See `BundleLoader.ahead`."""


NOTHING_BEGUN: Final = Begun()
