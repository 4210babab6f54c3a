"""`POST /models/…/activate`, `/models/rollback` and `/admin/drain`: for operators."""

from fastapi import APIRouter, Depends

from schemas.api import Health, ModelReference
from schemas.errors import BundleError, InvalidParameterError, NotFoundError
from service.bundles import BundleAddress
from service.problems import GATE_FAILURES, documented
from service.security.gate import Requires
from service.serving import CurrentService

router = APIRouter(tags=["administration"], dependencies=[Depends(Requires("admin"))])


@router.post(
    "/models/{name}/{version}/activate",
    summary="Serve this bundle",
    responses=documented(*GATE_FAILURES, NotFoundError, BundleError, InvalidParameterError),
)
async def activate(service: CurrentService, name: str, version: str) -> ModelReference:
    """Until the models directory chooses another, or the process ends. One that fails its checks changes nothing."""
    return (await service.deployment.activate(BundleAddress(name, version))).loaded.reference


@router.post(
    "/models/rollback",
    summary="Serve the bundle before this one again",
    responses=documented(*GATE_FAILURES, BundleError),
)
async def rollback(service: CurrentService) -> ModelReference:
    """At once: it is still in memory."""
    return (await service.deployment.rollback()).loaded.reference


@router.post("/admin/drain", summary="Stop being ready", responses=documented(*GATE_FAILURES))
async def drain(service: CurrentService) -> Health:
    """Films in flight are answered, new ones are refused with 503; the process ends at SIGTERM."""
    service.admission.drain()
    return Health(status="draining")
