"""The app: made from settings; its lifespan loads the bundles, starts what outlives a request, and ends it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from schemas.api import DISCLAIMER
from schemas.errors import SettingsError
from schemas.version import VERSION
from service.construction import create_services, running
from service.engine.engine import EngineOpener
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
from service.models.head_start import NOTHING_BEGUN, Begun
from service.services import Services
from service.settings import Settings
from service.tracing.opening import NO_TELEMETRY
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


def create_app(
    settings: Settings,
    open_engine: EngineOpener | None = None,
    begun: Begun = NOTHING_BEGUN,
    tracing: TracingSettings = NO_TRACES,
) -> Application:
    """Make the app.

    Args:
        settings: checked and frozen.
        open_engine: how the network of a bundle is opened; None: by ONNX Runtime.
        begun: what proves bundles, starts processes that read films, and has loaded a bundle already.
        tracing: whether there are traces.

    Raises:
        SettingsError: a file of keys cannot be read, or traces are asked for that cannot be made.
    """
    services = create_services(settings, open_engine, begun, tracing)
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
        # Not by `include_router`, which builds each of them again with the first request.
        routes=[route for module in ROUTES for route in module.router.routes],
    )
    set_services(api, services)
    install_error_handlers(api)
    complete_document(api)
    api.mount("/static", pages.static_files())
    return Application(api, services, _addresses(), settings.security.origins)


def _addresses() -> list[APIRoute]:
    return [route for module in ROUTES for route in module.router.routes if isinstance(route, APIRoute)]


@asynccontextmanager
async def _lifespan(api: FastAPI, *, services: Services, settings: Settings) -> AsyncIterator[None]:
    """What outlives a request, as long as the app runs; a setting that cannot be honoured is noted for `refusal`."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(running(services))
            if settings.dicomweb.enabled or settings.dicomweb.destinations or services.challenger is not None:
                from service.onlookers import open_onlookers  # a third of all imports: see there

                opened = await stack.enter_async_context(open_onlookers(services, settings))
                set_intake(api, opened.intake, opened.surveillance, opened.challenger, opened.jobs)
        except SettingsError as error:
            api.state.refusal = str(error)
            raise
        yield
