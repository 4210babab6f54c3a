"""`POST /models/…/activate`, `/models/rollback`, `/results/…/withdraw` and `/admin/drain`: for operators."""

import asyncio
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Depends, Request

from schemas.api import ModelReference
from schemas.errors import (
    AuditUnavailableError,
    BundleError,
    InvalidParameterError,
    MalformedRequestError,
    NotFoundError,
    SpoolUnavailableError,
)
from schemas.results import ResultSummary, WithdrawalRequest
from schemas.serving import Health
from service.audit.accounts import audited_action
from service.http.authorization import Requires, origin_of
from service.http.current import CurrentIntake, CurrentServices
from service.http.errors import GATE_FAILURES, documented
from service.http.routes.results import SopInstance
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


@router.post(
    "/results/{sop_instance_uid}/withdraw",
    operation_id="withdraw_result",
    summary="Take the results of a film back",
    status_code=202,
    responses=documented(*FAILURES, MalformedRequestError, NotFoundError, InvalidParameterError, SpoolUnavailableError),
)
async def withdraw(
    request: Request,
    services: CurrentServices,
    intake: CurrentIntake,
    sop_instance_uid: SopInstance,
    withdrawal: WithdrawalRequest,
) -> ResultSummary:
    """Whatever the film's state; the archive gets a rejection note (IHE IOCM) about what it has or may have."""

    async def work() -> ResultSummary:
        await asyncio.to_thread(intake.withdrawals.withdraw, sop_instance_uid, withdrawal.reason)
        intake.worker.wake()
        return (await asyncio.to_thread(intake.ledger.find, sop_instance_uid))[0]

    content = await asyncio.to_thread(intake.ledger.content_of, sop_instance_uid)
    origin = replace(origin_of(request), event="withdrawn", reason=withdrawal.reason, content_sha256=content)
    return await audited_action(services.audit, origin, work)


@router.post("/admin/drain", operation_id="drain_service", summary="Stop being ready", responses=documented(*FAILURES))
async def drain(request: Request, services: CurrentServices) -> Health:
    """Requests in flight are answered, new images are refused with 503; the process ends at SIGTERM."""

    async def work() -> Health:
        services.admission.drain()
        return Health(status="draining")

    return await audited_action(services.audit, origin_of(request), work)
