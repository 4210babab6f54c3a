"""`GET /livez`, `/readyz` and `/metrics`: for orchestrators and monitoring, not for callers."""

import re
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client.exposition import choose_encoder

from schemas.errors import AuditUnavailableError, NotReadyError
from schemas.serving import Health, Readiness
from service.capacity.admission import draining
from service.http.authorization import Requires
from service.http.current import CurrentServices, OptionalIntake
from service.http.errors import GATE_FAILURES, documented
from service.http.negotiation import accept_of

_VERSION: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}")

router = APIRouter(tags=["operations"])


@router.get(
    "/livez", operation_id="check_liveness", summary="Whether the process is alive", responses=documented(NotReadyError)
)
async def livez(services: CurrentServices, intake: OptionalIntake) -> Health:
    """503 where a loop that answers films has died: only a restart helps."""
    if not services.deployments.alive:
        msg = "a loop that answers films or watches the models directory has died; restart the service"
        raise NotReadyError(msg)
    if intake is not None and not intake.worker.alive:
        msg = "a loop that empties the spool has died; restart the service"
        raise NotReadyError(msg)
    return Health(status="alive")


@router.get(
    "/readyz",
    operation_id="check_readiness",
    summary="Whether the service can answer",
    response_model_exclude_defaults=True,
    responses=documented(NotReadyError, AuditUnavailableError),
)
async def readyz(services: CurrentServices) -> Readiness:
    """200 once a bundle is loaded, has passed its self-test and every batch size is warm.

    503 while draining, and where a run of the network does not end, or had to be interrupted in the last ten seconds.
    Of several bundles one is enough: those that do not answer are named. A suspended service is ready: it analyses,
    and says so.
    """
    services.deployments.check()
    services.audit.check()
    if services.admission.draining:
        raise draining()
    stop = services.stop.suspension
    suspended = None if stop is None else f"since {stop.since:%Y-%m-%d %H:%M} UTC: {stop.reason}"
    return Readiness(status="ready", mode=services.mode, suspended=suspended, missing=dict(services.deployments.faults))


@router.get(
    "/metrics",
    dependencies=[Depends(Requires("metrics", reads=True))],
    operation_id="get_metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented(*GATE_FAILURES)},
)
async def metrics(request: Request, services: CurrentServices) -> Response:
    """Prometheus text, or OpenMetrics where the scraper asks for it."""
    encode, media_type = choose_encoder(_with_versions(accept_of(request)))
    return Response(encode(services.metrics.registry), headers={"Content-Type": media_type})


def _with_versions(accept: str) -> str:
    """The media ranges whose version is one: prometheus-client compares it unread, and repeats it in its answer."""
    ranges = ("".join(entry.replace('"', "").split()) for entry in accept.split(","))
    return ",".join(entry for entry in ranges if _VERSION.fullmatch(_version_of(entry)))


def _version_of(media_range: str) -> str:
    parameters = (field.partition("=") for field in media_range.split(";")[1:])
    return next((value for name, _, value in parameters if name == "version"), "1")
