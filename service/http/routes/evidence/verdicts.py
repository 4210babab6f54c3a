"""`POST /results/{sop_instance_uid}/verdict` and `POST /verdicts`: what readers and reports say of the answers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Depends, Request

from schemas.errors import (
    AuditUnavailableError,
    BodyTooLargeError,
    CxrError,
    InvalidParameterError,
    MalformedRequestError,
    NotFoundError,
    SpoolUnavailableError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from schemas.monitoring import ImportProblem, VerdictImport, VerdictReceipt, VerdictRequest
from service.http.authorization import Requires, origin_of
from service.http.current import CurrentSurveillance
from service.http.errors import GATE_FAILURES, documented
from service.http.request_body import require_plain_body
from service.http.routes.results import SopInstance
from service.surveillance.reports.fhir import read_fhir
from service.surveillance.reports.hl7 import read_hl7
from service.surveillance.reports.rules import ReportRules
from service.surveillance.reports.table import read_table
from service.surveillance.statements import FilmName, Statement

if TYPE_CHECKING:
    from service.surveillance.surveillance import Surveillance

CSV: Final = "text/csv"
REPORTS: Final[Mapping[str, Callable[[bytes, ReportRules], list[Statement]]]] = {
    "application/fhir+json": read_fhir,
    "application/hl7-v2": read_hl7,
    "x-application/hl7-v2+er7": read_hl7,
}
"""By media type, what reads a final report."""
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in (CSV, *REPORTS)},
    }
}
FAILURES: Final = (
    *GATE_FAILURES,
    MalformedRequestError,
    NotFoundError,
    InvalidParameterError,
    BodyTooLargeError,
    SpoolUnavailableError,
    AuditUnavailableError,
)

router = APIRouter(tags=["verdicts"], dependencies=[Depends(Requires("verdict"))])


@router.post(
    "/results/{sop_instance_uid}/verdict",
    operation_id="give_verdict",
    summary="Accept, modify or reject an answer",
    responses=documented(*FAILURES),
)
async def give_verdict(
    request: Request, surveillance: CurrentSurveillance, sop_instance_uid: SopInstance, verdict: VerdictRequest
) -> VerdictReceipt:
    """Of one film; kept without the patient, also when the film itself is forgotten. Sent twice it changes nothing."""
    statement = Statement(FilmName(sop_instance_uid=sop_instance_uid), "api", request=verdict)
    ((receipt, *_),) = await surveillance.judge([statement], origin_of(request).facts)
    if isinstance(receipt, CxrError):
        raise receipt
    assert isinstance(receipt, VerdictReceipt)  # noqa: S101 a film was named, or NotFoundError raised
    return receipt


@router.post(
    "/verdicts",
    operation_id="import_verdicts",
    summary="Take in a table of verdicts, or a final report",
    responses=documented(*FAILURES, UnsupportedMediaTypeError, UnsupportedEncodingError),
    openapi_extra=BODY,
)
async def import_verdicts(request: Request, surveillance: CurrentSurveillance) -> VerdictImport:
    """CSV: rows that cannot be used are named, the others are stored. A report is used as a whole or not at all."""
    require_plain_body(request)
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    content = await request.body()
    facts = origin_of(request).facts
    if media_type == CSV:
        return await _import_table(surveillance, content, facts)
    if (read := REPORTS.get(media_type)) is None:
        msg = f"the body is neither a table nor a report; declare it as {', '.join((CSV, *REPORTS))}"
        raise UnsupportedMediaTypeError(msg)
    if surveillance.rules is None:
        msg = "final reports are not understood here; the operator names the rules for them in CXR_REPORT_RULES"
        raise InvalidParameterError(msg)
    statements = await asyncio.to_thread(read, content, surveillance.rules)
    (result,) = await surveillance.judge(statements, facts)
    if isinstance(result[0], CxrError):
        raise result[0]
    return _summary([result], [0])


async def _import_table(surveillance: "Surveillance", content: bytes, facts: Mapping[str, Any]) -> VerdictImport:
    rows = await asyncio.to_thread(lambda: list(read_table(content)))
    refused = [
        ImportProblem(line=line, code=each.code, detail=str(each)) for line, each in rows if isinstance(each, CxrError)
    ]
    kept = [(line, each) for line, each in rows if isinstance(each, Statement)]
    results = await surveillance.judge([statement for _, statement in kept], facts)
    summary = _summary(results, [line for line, _ in kept])
    problems = sorted((*refused, *summary.problems), key=lambda problem: problem.line)
    return summary.model_copy(update={"problems": tuple(problems)})


def _summary(results: Sequence[tuple[Any, ...]], lines: Sequence[int]) -> VerdictImport:
    stored = [receipt.stored for result in results for receipt in result if isinstance(receipt, VerdictReceipt)]
    problems = tuple(
        ImportProblem(line=line, code=result[0].code, detail=str(result[0]))
        for line, result in zip(lines, results, strict=True)
        if isinstance(result[0], CxrError)
    )
    return VerdictImport(
        new=stored.count("new"), changed=stored.count("changed"), known=stored.count("known"), problems=problems
    )
