"""The app: made from settings; its lifespan loads the bundle, starts what outlives a request, and ends it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property

import cv2
import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from imaging.dicom.child_decoder import ChildDecoder
from schemas.api import DISCLAIMER
from service.audit.trail import Trail
from service.capacity.admission import Admission
from service.capacity.threads import ROUTINE, SPARE, Lanes, computing_threads
from service.dicomweb.intake import open_intake
from service.engine.engine import EngineOpener, OnnxEngine
from service.http.early_refusal import Doorway
from service.http.errors import install_error_handlers
from service.http.middleware import ProblemMiddleware, RequestMiddleware
from service.http.routes import (
    administration,
    capabilities,
    dicomweb,
    explain,
    film,
    models,
    operations,
    pages,
    predict,
    results,
)
from service.metrics import Metrics
from service.models.registry import BundleRegistry
from service.models.swap import Deployment, Threads
from service.models.trust import Trust
from service.security.authentication import Gate
from service.services import Service
from service.settings import Settings

log = structlog.get_logger("service.app")


class Application(FastAPI):
    """FastAPI with our middleware around everything, its own answers to broken requests included."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask at the door first: what FastAPI does before its middleware costs as much as a refusal."""
        await self._door(scope, receive, send)

    @cached_property
    def _door(self) -> Doorway:
        service = self.state.service
        return Doorway(super().__call__, service.admission, service.metrics, service.settings)

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
        async with _serve(service), open_intake(service) as app.state.intake:
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
    decode_lanes = Lanes("decode", routine=settings.decode_workers, stat=settings.decode_workers)
    trust = None if settings.trusted_keys_file is None else Trust(settings.trusted_keys_file)
    registry = BundleRegistry(settings.models_dir, settings.model, trust)
    metrics = Metrics()
    app.state.service = Service(
        settings,
        metrics,
        registry,
        Deployment(settings, metrics, registry, open_engine),
        Admission(settings.max_queue, settings.max_inflight_bytes, metrics),
        decode_lanes,
        computing_threads(1, "explain", ROUTINE),
        _frame_decoder(settings, metrics),
        Gate(settings, metrics, decode_lanes.of("routine")),
        Trail(settings, metrics),
    )
    metrics.ready.set_function(lambda: float(app.state.service.ready))
    app.state.intake = None
    install_error_handlers(app)
    for routes in (predict, explain, film, models, administration, capabilities, dicomweb, results, operations, pages):
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
async def _serve(service: Service) -> AsyncIterator[None]:
    """Load the bundle and answer films with it; without a bundle the process lives on and says why it is not ready.

    Raises:
        SettingsError: the provider is not there, or the audit log cannot be opened.
    """
    cv2.setNumThreads(1)  # the pools are the parallelism; OpenCV's own threads would fight them for the cores
    async with AsyncExitStack() as stack:
        stack.enter_context(service.audit.running())  # left last of all: whatever is answered until then is recorded
        stack.enter_context(service.frame_decoder)  # left after them: the threads of the pool wait for its children
        stack.enter_context(service.decode_lanes)
        stack.enter_context(service.explain_pool)
        engine = stack.enter_context(Lanes("engine", routine=service.settings.concurrent_runs, stat=1))
        loader = stack.enter_context(computing_threads(1, "loader", SPARE))
        stack.push_async_callback(service.deployment.stop)
        await service.deployment.start(Threads(engine, loader))
        yield
