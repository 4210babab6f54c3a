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
from service.services import Services

FAILURES: Final = (*GATE_FAILURES, AuditUnavailableError)

router = APIRouter(tags=["administration"], dependencies=[Depends(Requires("admin"))])


@router.post(
    "/models/{name}/{version}/activate",
    operation_id="activate_model",
    summary="Serve this bundle",
    responses=documented(*FAILURES, NotFoundError, BundleError, InvalidParameterError),
)
async def activate(request: Request, services: CurrentServices, name: str, version: str) -> ModelReference:
    """Until the models directory chooses another, or the process ends. A failed check changes nothing.

    Where several bundles serve, it takes the place of the one of its name.
    """

    async def work() -> ModelReference:
        return (await services.deployments.activate(BundleAddress(name, version))).loaded.reference

    return await audited_action(services.audit, origin_of(request), work)


@router.post(
    "/models/rollback",
    operation_id="roll_back_model",
    summary="Serve the bundle before this one again",
    responses=documented(*FAILURES, BundleError, InvalidParameterError),
)
async def rollback(request: Request, services: CurrentServices) -> ModelReference:
    """At once, because it is still in memory; where several bundles serve, name one in the address."""
    return await _rollback(request, services, None)


@router.post(
    "/models/{name}/rollback",
    operation_id="roll_back_named_model",
    summary="Serve the version of this bundle before this one again",
    responses=documented(*FAILURES, BundleError, NotFoundError, InvalidParameterError),
)
async def rollback_one(request: Request, services: CurrentServices, name: str) -> ModelReference:
    """At once, because it is still in memory; the other bundles do not notice."""
    return await _rollback(request, services, name)


async def _rollback(request: Request, services: Services, name: str | None) -> ModelReference:
    async def work() -> ModelReference:
        return (await services.deployments.rollback(name)).loaded.reference

    return await audited_action(services.audit, origin_of(request), work)


@router.post("/admin/drain", operation_id="drain_service", summary="Stop being ready", responses=documented(*FAILURES))
async def drain(request: Request, services: CurrentServices) -> Health:
    """Requests in flight are answered, new images are refused with 503; the process ends at SIGTERM."""

    async def work() -> Health:
        services.admission.drain()
        return Health(status="draining")

    return await audited_action(services.audit, origin_of(request), work)
