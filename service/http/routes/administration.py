"""`POST /models/…/activate`, `/models/rollback` and `/admin/drain`: for operators."""

from typing import Final

from fastapi import APIRouter, Depends, Request

from schemas.api import Health, ModelReference
from schemas.errors import AuditUnavailableError, BundleError, InvalidParameterError, NotFoundError
from service.audit.accounts import action, asked_by
from service.http.errors import GATE_FAILURES, documented
from service.models.registry import BundleAddress
from service.security.authentication import Requires
from service.services import CurrentService

FAILURES: Final = (*GATE_FAILURES, AuditUnavailableError)

router = APIRouter(tags=["administration"], dependencies=[Depends(Requires("admin"))])


@router.post(
    "/models/{name}/{version}/activate",
    summary="Serve this bundle",
    responses=documented(*FAILURES, NotFoundError, BundleError, InvalidParameterError),
)
async def activate(request: Request, service: CurrentService, name: str, version: str) -> ModelReference:
    """Until the models directory chooses another, or the process ends. One that fails its checks changes nothing."""

    async def work() -> ModelReference:
        return (await service.deployment.activate(BundleAddress(name, version))).loaded.reference

    return await action(service.audit, asked_by(request), work)


@router.post(
    "/models/rollback",
    summary="Serve the bundle before this one again",
    responses=documented(*FAILURES, BundleError),
)
async def rollback(request: Request, service: CurrentService) -> ModelReference:
    """At once: it is still in memory."""

    async def work() -> ModelReference:
        return (await service.deployment.rollback()).loaded.reference

    return await action(service.audit, asked_by(request), work)


@router.post("/admin/drain", summary="Stop being ready", responses=documented(*FAILURES))
async def drain(request: Request, service: CurrentService) -> Health:
    """Films in flight are answered, new ones are refused with 503; the process ends at SIGTERM."""

    async def work() -> Health:
        service.admission.drain()
        return Health(status="draining")

    return await action(service.audit, asked_by(request), work)
