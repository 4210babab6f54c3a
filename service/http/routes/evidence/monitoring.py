"""`GET /monitoring` and `POST /monitoring/resume`: the answers against the truth, and the end of a stop."""

from typing import Final

from fastapi import APIRouter, Depends, Request

from schemas.errors import (
    AuditUnavailableError,
    BodyTooLargeError,
    ForbiddenError,
    InvalidParameterError,
    MalformedRequestError,
    NotFoundError,
    SpoolUnavailableError,
)
from schemas.monitoring import Monitoring, ResumeRequest
from service.http.authorization import Requires, caller_of, origin_of
from service.http.current import CurrentSurveillance, OptionalSurveillance
from service.http.errors import GATE_FAILURES, documented
from service.security.callers import ANONYMOUS

OFF: Final = "there is no spool, so nothing is remembered and nothing can stop the service; set CXR_DICOMWEB=true"

router = APIRouter(prefix="/monitoring", tags=["monitoring"])


@router.get(
    "",
    operation_id="get_monitoring",
    summary="The answers against the truth",
    dependencies=[Depends(Requires("dicom", reads=True))],
    responses=documented(*GATE_FAILURES, SpoolUnavailableError),
)
async def monitoring(surveillance: OptionalSurveillance) -> Monitoring:
    """Figures that hold at any time, the registered limits, and whether the service is suspended."""
    return _nothing_monitored() if surveillance is None else await surveillance.report()


@router.post(
    "/resume",
    operation_id="resume_answers",
    summary="Lift the suspension",
    dependencies=[Depends(Requires("admin"))],
    responses=documented(
        *GATE_FAILURES,
        MalformedRequestError,
        NotFoundError,
        InvalidParameterError,
        BodyTooLargeError,
        SpoolUnavailableError,
        AuditUnavailableError,
    ),
)
async def resume(request: Request, surveillance: CurrentSurveillance, resumption: ResumeRequest) -> Monitoring:
    """By the holder of a key or token, with a reason; both stand in the audit log. The figures begin anew."""
    if caller_of(request).identity == ANONYMOUS.identity:
        msg = "a stop is lifted by somebody who can be named; set CXR_API_KEYS_FILE and send a key of the scope admin"
        raise ForbiddenError(msg)
    return await surveillance.resume(resumption.reason, origin_of(request).facts)


def _nothing_monitored() -> Monitoring:
    """The answer of a service without a spool."""
    return Monitoring(
        enabled=False,
        note=OFF,
        suspended=False,
        suspension=None,
        limits=None,
        readings=0,
        verdicts=0,
        last_verdict_at=None,
        figures=(),
        rates=(),
    )
