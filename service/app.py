"""The app: made from settings; its lifespan loads the bundle, starts what outlives a request, and ends it."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

import cv2
import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp

from imaging.child_decoder import ChildDecoder
from schemas.api import DISCLAIMER
from schemas.errors import BundleError, CxrError
from service import problems
from service.batcher import Batcher, Limits
from service.bundles import BundleRegistry, LoadedBundle, load
from service.dicomweb.intake import open_intake
from service.engine import EngineOpener, OnnxEngine
from service.metrics import Metrics
from service.middleware import ProblemMiddleware, RequestMiddleware
from service.routes import capabilities, dicomweb, explain, models, operations, pages, predict, results
from service.security.gate import Gate
from service.serving import Service, Serving
from service.settings import Settings

log = structlog.get_logger("service.app")


class Application(FastAPI):
    """FastAPI with our middleware around everything, its own answers to broken requests included."""

    def build_middleware_stack(self) -> ASGIApp:
        """Wrap the whole stack: `add_middleware` would put ours inside the body limit and the error handler."""
        return RequestMiddleware(ProblemMiddleware(super().build_middleware_stack()), self.state.service.metrics)


def create_app(settings: Settings, open_engine: EngineOpener = OnnxEngine.open) -> FastAPI:
    """Make the app.

    Args:
        settings: checked and frozen.
        open_engine: how the network of a bundle is opened.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = app.state.service
        async with _serve(service, open_engine), open_intake(service) as app.state.intake:
            yield

    app = Application(
        title="Chest X-ray classifier",
        description=DISCLAIMER,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=settings.max_body_bytes,
    )
    decode_pool = ThreadPoolExecutor(settings.decode_workers, thread_name_prefix="decode")
    registry, metrics = BundleRegistry(settings.models_dir, settings.model), Metrics()
    gate = Gate(settings, metrics, decode_pool)
    app.state.service = Service(settings, metrics, registry, decode_pool, _frame_decoder(settings, metrics), gate)
    app.state.intake = None
    problems.install(app)
    for routes in (predict, explain, models, capabilities, dicomweb, results, operations, pages):
        app.include_router(routes.router)
    app.mount("/static", pages.static_files())
    return app


def _frame_decoder(settings: Settings, metrics: Metrics) -> ChildDecoder:
    def note(reason: str) -> None:
        metrics.decode_worker_deaths.inc()
        log.warning("decode_worker_died", reason=reason)

    return ChildDecoder(
        workers=settings.decode_workers,
        memory_bytes=settings.decode_memory_bytes,
        timeout_s=settings.decode_timeout_s,
        on_death=note,
    )


@asynccontextmanager
async def _serve(service: Service, open_engine: EngineOpener) -> AsyncIterator[None]:
    """Load the bundle and answer films with it; without a bundle the process lives on and says why it is not ready.

    Raises:
        SettingsError: the provider is not there.
    """
    cv2.setNumThreads(1)  # the pools are the parallelism; OpenCV's own threads would fight them for the cores
    settings = service.settings
    async with AsyncExitStack() as stack:
        stack.enter_context(service.frame_decoder)  # left last: the threads of the pool wait for its children
        stack.enter_context(service.decode_pool)
        threads = stack.enter_context(ThreadPoolExecutor(settings.concurrent_runs, thread_name_prefix="engine"))
        loaded = await asyncio.get_running_loop().run_in_executor(threads, _load, service, open_engine)
        if loaded is not None:
            limits = Limits(settings.max_queue, settings.max_batch_size, settings.concurrent_runs)
            batcher = Batcher(loaded.engine, threads, service.metrics, limits)
            batcher.start()
            stack.push_async_callback(batcher.stop)
            service.serving = Serving(loaded, batcher)
        yield


def _load(service: Service, open_engine: EngineOpener) -> LoadedBundle | None:
    start, loads = time.perf_counter(), service.metrics.model_loads
    try:
        address = service.registry.chosen()
        loaded = load(service.registry.open(address), open_engine, service.settings)
    except BundleError as error:
        service.failure = error
        loads.labels("refused", error.code).inc()
        log.error("bundle_refused", code=error.code, reason=str(error))  # noqa: TRY400 the reason says all
        return None
    except CxrError as error:
        log.error("start_refused", code=error.code, reason=str(error))  # noqa: TRY400 the reason says all
        raise
    loads.labels("loaded", "").inc()
    reference = loaded.reference
    service.metrics.selftest_error.set(loaded.selftest_error)
    service.metrics.model_info.labels(
        reference.name, reference.version, reference.architecture, reference.sha256, service.settings.provider
    ).set(1)
    log.info(
        "bundle_loaded", bundle=str(address), sha256=reference.sha256, seconds=round(time.perf_counter() - start, 3)
    )
    return loaded
