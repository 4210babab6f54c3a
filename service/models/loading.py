"""From the files of a bundle to a network that may answer: opened, proved on the golden films, and warm."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bundle.golden import check_golden, warm
from bundle.opening import Bundle
from bundle.session import GraphOutputs
from imaging.memory.allocator import give_back_freed_memory
from schemas.api import ModelReference
from schemas.engine.tuning import TuningProfile
from schemas.model.familiarity import Familiarity
from schemas.model.manifest import BundleManifest
from schemas.model.precision import Precision
from service.answers.decision import load_statistics
from service.capacity.threads import ROUTINE
from service.engine.engine import Engine, EngineOpener, Outputs
from service.engine.explain_backend import Explanations, open_explanations
from service.engine.film_queue import batch_sizes
from service.engine.site_engine import SiteEngine, at_site
from service.engine.tuned import profile_of, tuned
from service.films.readers import FilmReaders
from service.models.prover import NoProver, Prover
from service.models.registry import BundleAddress
from service.models.site_profiles import SiteOperatingPoint, SiteProfiles, applied
from service.settings import EngineSettings
from service.tracing.span import OFF, Tracing


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A bundle whose hashes were right, whose self-test passed, and whose network is warm."""

    bundle: Bundle
    engine: Engine
    statistics: Familiarity | None
    explanations: Explanations
    selftest_error: float
    """Largest absolute error of the logits of the golden films."""
    precision: Precision = "fp32"
    readers: FilmReaders | None = None
    """Processes that read whole films; None: threads of the service prepare them."""
    site: SiteOperatingPoint | None = None
    """With which it answers: manifest and engine are then those of the site; None: the bundle's own operating point."""
    tuning: TuningProfile | None = None
    """What was measured of it on this machine; None: nothing, or it is not used."""
    bare: "LoadedBundle | None" = None
    """The same without the site's operating point; None where there is none."""
    reference: ModelReference = field(init=False)
    """How an answer names the bundle that computed it; made once, for every film asks for it."""

    def __post_init__(self) -> None:
        reference = ModelReference(
            name=self.manifest.name,
            version=self.manifest.version,
            architecture=self.manifest.architecture,
            precision=self.precision,
            sha256=self._sha256,
        )
        object.__setattr__(self, "reference", reference)

    @property
    def manifest(self) -> BundleManifest:
        """Classes, thresholds, preprocessing and everything else that the bundle states about itself."""
        return self.bundle.manifest

    @property
    def address(self) -> BundleAddress:
        """Name and version."""
        return BundleAddress(self.manifest.name, self.manifest.version)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the processes that read its films meanwhile, where there are any."""
        with nullcontext() if self.readers is None else self.readers.held():
            yield

    def answered(self, outputs: Outputs) -> Outputs:
        """What the network of `readers` said, at the operating point of the site."""
        return outputs if self.site is None else at_site(outputs, self.manifest)

    @property
    def _sha256(self) -> str:
        """Two precisions of a bundle must not pass for one; fp32 keeps the hash that vouches for the whole bundle."""
        if self.precision == "fp32":
            return self.bundle.sha256
        return self.manifest.files[self.manifest.graph_files(self.precision).graph].sha256


@dataclass(frozen=True, slots=True)
class BundleLoader:
    """Loads bundles for one provider and precision, once the prover has seen that they end."""

    open_engine: EngineOpener
    settings: EngineSettings
    prover: Prover = field(default_factory=NoProver)
    profiles: SiteProfiles | None = None
    """None: every bundle answers at its own operating point."""
    niceness: int = ROUTINE
    """Of the threads on which the networks answer routine films, in steps."""
    tracing: Tracing = OFF
    ahead: Callable[[Bundle], LoadedBundle | None] = lambda _: None
    """Gives a bundle that was loaded before it was asked for; raises as `load` does."""

    async def span(self, work: Awaitable[LoadedBundle]) -> LoadedBundle:
        """Wait for a bundle within a span, which is named by what was loaded: what was asked for may be anything."""
        with self.tracing.begin("load bundle") as begun:
            loaded = await work
            if begun is not None:
                address = loaded.address
                begun.set({"cxr.bundle.name": address.name, "cxr.bundle.version": address.version})
            return loaded

    def load(self, bundle: Bundle) -> LoadedBundle:
        """Open the network of `bundle`, prove it on the golden films, and run every batch size once.

        Raises:
            BundleError: the prover refuses it, there is no graph of the precision that the settings ask for, or graph,
                statistics, golden films or torch's weights are not as the manifest states; or see `at_site`.
            SettingsError: the provider is not there.
        """
        if (loaded := self.ahead(bundle)) is not None:
            return self.at_site(loaded)
        profile = profile_of(bundle, self.settings)
        settings = tuned(self.settings.of(bundle.manifest.name), profile, bundle.manifest.offered)
        with self.prover.proving(bundle) as proved:
            engine = self.open_engine(
                bundle,
                provider=settings.provider,
                intra_op_threads=settings.intra_op_threads,
                precision=settings.precision,
            )
            statistics = load_statistics(bundle)
            selftest_error = proved()

        def run(images: NDArray[np.float32], targets: NDArray[np.int64]) -> GraphOutputs:
            return engine.run(images, targets).by_name()

        if selftest_error is None or settings.precision != self.settings.precision:
            # A profile may have been written since the prover looked for one: it may have proved another graph.
            selftest_error = check_golden(bundle, run, settings.precision).logits
        warm(run, side=bundle.manifest.preprocess.size, sizes=batch_sizes(settings.largest_batch))
        give_back_freed_memory()  # 30 MB, of the graph while it was read and of its optimizations
        explanations = open_explanations(bundle, settings.explain_backend, threads=settings.intra_op_threads)
        readers = engine if isinstance(engine, FilmReaders) else None
        loaded = LoadedBundle(bundle, engine, statistics, explanations, selftest_error, settings.precision, readers)
        return self.at_site(replace(loaded, tuning=profile))

    def renewed(self, loaded: LoadedBundle) -> LoadedBundle:
        """A bundle that served before, at the site's operating point, once processes read its films again.

        Raises:
            BundleError: they cannot be started; or see `at_site`.
        """
        if loaded.readers is not None:
            loaded.readers.renew()
        return self.at_site(loaded)

    def at_site(self, loaded: LoadedBundle) -> LoadedBundle:
        """The loaded bundle at the operating point that the site has for it now; the same one where it has it already.

        Raises:
            BundleError: the site's profile of it is not in order; see `SiteProfiles.find`.
        """
        bare = loaded.bare or loaded
        found = None if self.profiles is None else self.profiles.find(bare.bundle)
        if found == loaded.site:
            return loaded
        if found is None:
            return bare
        manifest = applied(found, bare.bundle, bare.precision)
        return replace(
            bare,
            bundle=replace(bare.bundle, manifest=manifest),
            engine=SiteEngine(bare.engine, manifest),
            site=found,
            bare=bare,
        )
