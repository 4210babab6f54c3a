"""`GET /livez`, `/readyz` and `/metrics`: for orchestrators and monitoring, not for callers."""

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client.exposition import choose_encoder

from schemas.api import Health
from schemas.errors import AuditUnavailableError, NotReadyError
from service.dicomweb.intake import Intake
from service.http.errors import GATE_FAILURES, documented
from service.security.authentication import Requires
from service.services import CurrentService

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Is the process alive", responses=documented(NotReadyError))
async def livez(request: Request, service: CurrentService) -> Health:
    """503 where a loop that answers films has died: only a restart helps."""
    if not service.deployment.alive:
        msg = "a loop that answers films or watches the models directory has died; restart the service"
        raise NotReadyError(msg)
    intake: Intake | None = request.app.state.intake
    if intake is not None and not intake.worker.alive:
        msg = "a loop that empties the spool has died; restart the service"
        raise NotReadyError(msg)
    return Health(status="alive")


@router.get("/readyz", summary="Can films be answered", responses=documented(NotReadyError, AuditUnavailableError))
async def readyz(service: CurrentService) -> Health:
    """200 once a bundle is loaded, its golden films gave what they ought to and every batch size is warm; not draining."""
    service.deployment.ready()
    service.audit.check()
    if service.admission.draining:
        msg = "the service is draining; another instance answers"
        raise NotReadyError(msg)
    return Health(status="ready")


@router.get(
    "/metrics",
    dependencies=[Depends(Requires("metrics"))],
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented(*GATE_FAILURES)},
)
async def metrics(request: Request, service: CurrentService) -> Response:
    """Prometheus text, or OpenMetrics where the scraper asks for it."""
    encode, media_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(service.metrics.registry), headers={"Content-Type": media_type})
