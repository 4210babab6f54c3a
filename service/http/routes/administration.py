"""`POST /models/…/activate`, `/models/rollback` and `/admin/drain`: for operators."""

from typing import Final

from fastapi import APIRouter, Depends, Request

from schemas.api import ModelReference
from schemas.errors import AuditUnavailableError, BundleError, InvalidParameterError, NotFoundError
from schemas.serving import Health
from service.audit.accounts import audited_action
from service.http.authorization import Requires, origin_of
from service.http.current import CurrentServices
from service.http.errors import GATE_FAILURES, documented
from service.models.registry import BundleAddress

FAILURES: Final = (*GATE_FAILURES, AuditUnavailableError)

router = APIRouter(tags=["administration"], dependencies=[Depends(Requires("admin"))])


@router.post(
    "/models/{name}/{version}/activate",
    summary="Serve this bundle",
    responses=documented(*FAILURES, NotFoundError, BundleError, InvalidParameterError),
)
async def activate(request: Request, services: CurrentServices, name: str, version: str) -> ModelReference:
    """Until the models directory chooses another, or the process ends. A failed check changes nothing."""

    async def work() -> ModelReference:
        return (await services.deployment.activate(BundleAddress(name, version))).loaded.reference

    return await audited_action(services.audit, origin_of(request), work)


@router.post(
    "/models/rollback",
    summary="Serve the bundle before this one again",
    responses=documented(*FAILURES, BundleError),
)
async def rollback(request: Request, services: CurrentServices) -> ModelReference:
    """At once, because it is still in memory."""

    async def work() -> ModelReference:
        return (await services.deployment.rollback()).loaded.reference

    return await audited_action(services.audit, origin_of(request), work)


@router.post("/admin/drain", summary="Stop being ready", responses=documented(*FAILURES))
async def drain(request: Request, services: CurrentServices) -> Health:
    """Requests in flight are answered, new images are refused with 503; the process ends at SIGTERM."""

    async def work() -> Health:
        services.admission.drain()
        return Health(status="draining")

    return await audited_action(services.audit, origin_of(request), work)
