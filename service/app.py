"""The app: made from settings; its lifespan loads the bundles, starts what outlives a request, and ends it."""

from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import structlog
from fastapi import FastAPI
from fastapi.routing import APIRoute

from imaging.dicom.child_decoder import ChildDecoder, allowed_memory
from imaging.memory.budget import DecodeBudget
from schemas.api import DISCLAIMER
from schemas.errors import SettingsError
from schemas.version import VERSION
from service.audit.trail import Trail
from service.capacity.admission import Admission
from service.capacity.result_cache import ResultCache
from service.capacity.threads import ROUTINE, SPARE, ThreadLanes, computing_threads
from service.engine.engine import EngineOpener, OnnxEngine
from service.films.look import Decoding
from service.films.nursery import Nursery
from service.films.opening import readers_opener
from service.http.current import set_intake, set_services
from service.http.errors import install_error_handlers
from service.http.openapi.document import SERVERS, complete_document, name_of
from service.http.outer.application import Application
from service.http.request_body import largest_body
from service.http.routes import (
    administration,
    capabilities,
    commitments,
    dicomweb,
    explain,
    film,
    models,
    operations,
    pages,
    predict,
    results,
)
from service.http.routes import (
    jobs as job_routes,
)
from service.http.routes.evidence import acceptance, challenger, monitoring, verdicts
from service.http.routes.inference_protocol import infer
from service.http.routes.inference_protocol import models as inference_models
from service.libraries import configure_libraries
from service.metrics import Metrics
from service.models.deployments import Deployments, reading_along
from service.models.loading import BundleLoader
from service.models.prover import NoProver, Prover
from service.models.registry import BundleRegistry
from service.models.site_profiles import SiteProfiles
from service.models.store_watch import StoreWatch
from service.models.swap import Deployment
from service.security.authentication import Gate
from service.services import Services
from service.settings import DecodeSettings, Settings
from service.sharing.opening import state_of
from service.tracing.opening import NO_TELEMETRY, open_tracing
from service.tracing.switch import NO_TRACES, TracingSettings

ROUTES: Final = (
    predict,
    explain,
    film,
    infer,
    inference_models,
    challenger,
    models,
    administration,
    capabilities,
    commitments,
    dicomweb,
    results,
    job_routes,
    verdicts,
    monitoring,
    acceptance,
    operations,
    pages,
)

log = structlog.get_logger("service.app")


def create_app(
    settings: Settings,
    open_engine: EngineOpener | None = None,
    prover: Prover | None = None,
    nursery: Nursery | None = None,
    tracing: TracingSettings = NO_TRACES,
) -> Application:
    """Make the app.

    Args:
        settings: checked and frozen.
        open_engine: how the network of a bundle is opened; None: by ONNX Runtime.
        prover: where a bundle is proved before this process loads it; None: in this process.
        nursery: what starts the processes that read films; None: threads of this process read them.
        tracing: whether there are traces.

    Raises:
        SettingsError: a file of keys cannot be read, or traces are asked for that cannot be made.
    """
    services = create_services(settings, open_engine, prover, nursery, tracing)
    api = FastAPI(
        title="Chest X-ray classifier",
        description=DISCLAIMER,
        version=VERSION,
        lifespan=partial(_lifespan, services=services, settings=settings),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
        servers=[dict(server) for server in SERVERS],
        generate_unique_id_function=name_of,
        max_body_size=largest_body(settings.limits),
    )
    set_services(api, services)
    install_error_handlers(api)
    for routes in ROUTES:
        api.include_router(routes.router)
    complete_document(api)
    api.mount("/static", pages.static_files())
    return Application(api, services, _addresses(), settings.security.origins)


def _addresses() -> list[APIRoute]:
    return [route for module in ROUTES for route in module.router.routes if isinstance(route, APIRoute)]


def create_services(
    settings: Settings,
    open_engine: EngineOpener | None = None,
    prover: Prover | None = None,
    nursery: Nursery | None = None,
    tracing: TracingSettings = NO_TRACES,
) -> Services:
    """Make what outlives a request; it works while it is `running`; see `create_app`."""
    configure_libraries()
    metrics = Metrics(settings.models.names if len(settings.models.models) > 1 else ("",))
    decoder, traces = _frame_decoder(settings.decode, metrics), open_tracing(tracing, metrics.tracing)
    registry, store, profiles = _bundles(settings, metrics)
    open_engine = open_engine or OnnxEngine.opener(settings.engine)
    along = BundleLoader(open_engine, settings.engine, prover or NoProver(), profiles, tracing=traces)
    loader = replace(along, open_engine=readers_opener(nursery, settings, partial(_count_death, metrics), open_engine))
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
        explain_pool=computing_threads(1, "explain", ROUTINE),
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


@asynccontextmanager
async def _lifespan(api: FastAPI, *, services: Services, settings: Settings) -> AsyncIterator[None]:
    """What outlives a request, as long as the app runs; a setting that cannot be honoured is noted for `refusal`."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(running(services))
            if settings.dicomweb.enabled or settings.dicomweb.destinations or services.challenger is not None:
                from service.onlookers import open_onlookers  # half of all imports: see there

                opened = await stack.enter_async_context(open_onlookers(services, settings))
                set_intake(api, opened.intake, opened.surveillance, opened.challenger, opened.jobs)
        except SettingsError as error:
            api.state.refusal = str(error)
            raise
        yield


def _frame_decoder(settings: DecodeSettings, metrics: Metrics) -> ChildDecoder:
    if (allowed := allowed_memory(settings.memory_bytes)) < settings.memory_bytes:
        log.warning("decode_memory_lowered", memory_bytes=allowed, reason="the service was started under ulimit -v")
    return ChildDecoder(
        workers=settings.workers,
        memory_bytes=settings.memory_bytes,
        timeout_s=settings.timeout_s,
        on_death=partial(_count_death, metrics),
    )


def _count_death(metrics: Metrics, reason: str) -> None:
    metrics.decode_worker_deaths.inc()
    log.warning("decode_worker_died", reason=reason)
