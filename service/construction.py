"""What outlives a request: made from settings, opened when the service starts, closed when it ends."""

from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from imaging.dicom.child_decoder import ChildDecoder, allowed_memory
from imaging.memory.budget import DecodeBudget
from service.audit.trail import Trail
from service.capacity.admission import Admission
from service.capacity.result_cache import ResultCache
from service.capacity.threads import ROUTINE, SPARE, ThreadLanes, computing_threads
from service.engine.engine import EngineOpener, OnnxEngine
from service.films.codec_server import SHARED_BYTES
from service.films.look import Decoding
from service.films.opening import readers_opener
from service.libraries import configure_libraries
from service.metrics import Metrics
from service.models.deployments import Deployments, reading_along
from service.models.head_start import NOTHING_BEGUN, Begun
from service.models.loading import BundleLoader
from service.models.registry import BundleRegistry
from service.models.site_profiles import SiteProfiles
from service.models.store_watch import StoreWatch
from service.models.swap import Deployment
from service.security.authentication import Gate
from service.services import Services
from service.settings import DecodeSettings, Settings
from service.sharing.opening import state_of
from service.tracing.opening import open_tracing
from service.tracing.switch import NO_TRACES, TracingSettings

log = structlog.get_logger("service.construction")


def create_services(
    settings: Settings,
    open_engine: EngineOpener | None = None,
    begun: Begun = NOTHING_BEGUN,
    tracing: TracingSettings = NO_TRACES,
) -> Services:
    """Make what outlives a request; it works while it is `running`; see `service.app.create_app`."""
    metrics = _metrics(settings)
    decoder, traces = _frame_decoder(settings.decode, metrics), open_tracing(tracing, metrics.tracing)
    registry, store, profiles = _bundles(settings, metrics)
    opener = open_engine or OnnxEngine.opener(settings.engine)
    along = BundleLoader(opener, settings.engine, begun.prover, profiles, tracing=traces)
    loader = _in_processes(along, begun, settings, metrics)
    loader_thread, key_pool = computing_threads(1, "loader", SPARE), computing_threads(1, "keys", ROUTINE)
    state = state_of(settings.shared_state_url, settings.limits, metrics.registry)
    return Services(
        limits=settings.limits,
        connections=settings.connections,
        decode=settings.decode,
        metrics=metrics,
        registry=registry,
        store=store,
        deployments=Deployments.of(settings.models, registry, loader, loader_thread, metrics),
        admission=Admission(settings.limits, metrics),
        answers=state.answers,
        sharing=state.running,
        results=ResultCache(settings.limits.result_cache_bytes, metrics.result_cache),
        decode_lanes=_decode_lanes(settings),
        key_pool=key_pool,
        decode_budget=DecodeBudget(settings.decode.budget_bytes),
        frame_decoder=decoder,
        decoding=Decoding(settings.limits.max_pixels, decoder),
        gate=Gate(settings.security, settings.tokens, metrics, key_pool, state.buckets),
        audit=Trail(settings.audit, metrics),
        mode=settings.trial.mode,
        challenger=_challenger(settings, registry, along, loader_thread, metrics),
        evidence=settings.evidence,
        tracing=traces,
    )


def _metrics(settings: Settings) -> Metrics:
    configure_libraries()
    return Metrics(settings.models.names if len(settings.models.models) > 1 else ("",))


def _in_processes(loader: BundleLoader, begun: Begun, settings: Settings, metrics: Metrics) -> BundleLoader:
    """The loader of bundles that serve, whose films processes read, where there are such."""
    opener = readers_opener(begun.nursery, settings, partial(_count_death, metrics), loader.open_engine)
    return replace(loader, open_engine=opener, ahead=begun.ahead)


def _bundles(settings: Settings, metrics: Metrics) -> tuple[BundleRegistry, StoreWatch | None, SiteProfiles | None]:
    """Where bundles are found, what brings them there, and at which operating point they answer."""
    profiles = SiteProfiles.of(settings.evidence)
    store = StoreWatch.of(settings.models, settings.store, metrics.store)
    return BundleRegistry.of(settings.models, profiles, store), store, profiles


def _decode_lanes(settings: Settings) -> ThreadLanes:
    """A thread for each film that is decoded, or that a process reads."""
    films = max(settings.decode.workers, settings.engine.processes)
    return ThreadLanes("decode", routine=films, stat=films)


def _challenger(
    settings: Settings, registry: BundleRegistry, loader: BundleLoader, loader_thread: Executor, metrics: Metrics
) -> Deployment | None:
    if (choice := settings.trial.challenger) is None:
        return None
    return reading_along(settings.models, registry.choosing(choice), loader, loader_thread, metrics)


@asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Load the bundles and answer films with them; without any the process lives on and reports why it is not ready.

    Raises:
        SettingsError: the provider is not there, or the audit log cannot be opened.
    """
    services.metrics.ready.set_function(lambda: float(services.ready))
    async with AsyncExitStack() as stack:
        stack.enter_context(services.tracing.running())
        stack.enter_context(services.audit.running())  # left after all that answers: whatever is answered is recorded
        stack.enter_context(services.frame_decoder)  # left after them: the threads of the pool wait for its children
        stack.enter_context(services.decode_lanes)
        stack.enter_context(services.explain_pool)
        stack.enter_context(services.key_pool)
        await stack.enter_async_context(services.sharing())
        if services.store is not None:  # before them: it brings what they load
            await stack.enter_async_context(services.store.running())
        await stack.enter_async_context(services.deployments.running())
        yield


def _frame_decoder(settings: DecodeSettings, metrics: Metrics) -> ChildDecoder:
    if (allowed := allowed_memory(settings.memory_bytes)) < settings.memory_bytes:
        log.warning("decode_memory_lowered", memory_bytes=allowed, reason="the service was started under ulimit -v")
    return ChildDecoder(
        workers=settings.workers,
        memory_bytes=settings.memory_bytes + SHARED_BYTES,
        timeout_s=settings.timeout_s,
        on_death=partial(_count_death, metrics),
    )


def _count_death(metrics: Metrics, reason: str) -> None:
    metrics.decode_worker_deaths.inc()
    log.warning("decode_worker_died", reason=reason)
