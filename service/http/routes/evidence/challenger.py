"""`GET /models/challenger` and `POST /models/challenger/promote`: the bundle that reads along, and its promotion."""

import asyncio
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Depends, Request

from schemas.api import ModelReference
from schemas.errors import (
    AuditUnavailableError,
    BodyTooLargeError,
    BundleError,
    InvalidParameterError,
    MalformedRequestError,
    NotFoundError,
    NotReadyError,
    PromotionRefusedError,
    SpoolUnavailableError,
)
from schemas.evidence.challenger import ChallengerReport, PromotionReceipt, PromotionRequest
from service.audit.accounts import audited_action
from service.http.authorization import Requires, origin_of
from service.http.current import CurrentChallenger, CurrentServices
from service.http.errors import GATE_FAILURES, documented

BODY_FAILURES: Final = (MalformedRequestError, BodyTooLargeError, InvalidParameterError)
FAILURES: Final = (*GATE_FAILURES, NotFoundError, NotReadyError, SpoolUnavailableError)
NOTE: Final = (
    "it serves until the models directory chooses another or the process ends; name it in CXR_MODEL, CXR_MODELS or the "
    "file models/current to keep it"
)

router = APIRouter(prefix="/models/challenger", tags=["models"])


@router.get(
    "",
    operation_id="get_challenger",
    summary="The bundle that reads along, compared with the one that serves",
    dependencies=[Depends(Requires("trial"))],
    responses=documented(*FAILURES),
)
async def compared(challenger: CurrentChallenger) -> ChallengerReport:
    """Agreement on every film that both read; sensitivity, specificity and AUROC on those with a verdict."""
    return await asyncio.to_thread(challenger.report)


@router.post(
    "/promote",
    operation_id="promote_challenger",
    summary="Let the bundle that reads along serve",
    tags=["administration"],
    dependencies=[Depends(Requires("admin"))],
    responses=documented(
        *FAILURES,
        *BODY_FAILURES,
        PromotionRefusedError,
        BundleError,
        AuditUnavailableError,
    ),
)
async def promote(
    request: Request, services: CurrentServices, challenger: CurrentChallenger, wanted: PromotionRequest
) -> PromotionReceipt:
    """By the rule, which refuses with its reasons, or by hand with a reason; both are in the audit log."""

    async def work() -> ModelReference:
        live = challenger.deployment.ready()
        if wanted.by == "rule":
            check_rule(await asyncio.to_thread(challenger.report))
        return (await services.deployments.activate(live.address)).loaded.reference

    asked = origin_of(request)
    origin = replace(asked, route=f"{asked.route}?by={wanted.by}", reason=wanted.reason)
    model = await audited_action(services.audit, origin, work)
    return PromotionReceipt(model=model, by=wanted.by, note=NOTE)


def check_rule(report: ChallengerReport) -> None:
    """Refuse a challenger that the rule does not promote.

    Raises:
        PromotionRefusedError: with what is missing.
    """
    promotion = report.promotion
    if promotion.state != "met":
        what = "cannot decide yet" if promotion.state == "waiting" else "does not promote it"
        msg = f"the rule {what}: {'; '.join(promotion.reasons)}. A person may decide otherwise: by hand, with a reason"
        raise PromotionRefusedError(msg)
