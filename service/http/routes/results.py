"""`GET /results…`: the films that came by DICOMweb, their states and analyses."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from schemas.analysis import AnalysisRecord
from schemas.errors import (
    InvalidParameterError,
    NotAcceptableError,
    NotFoundError,
    SilentError,
    SpoolUnavailableError,
)
from schemas.model.calibration import Decision
from schemas.results import Cursor, Result, ResultList, ResultOrder, ResultQuery, ResultState, Uid
from service.http.authorization import Requires, origin_of
from service.http.current import CurrentIntake, CurrentServices, OptionalChallenger
from service.http.errors import GATE_FAILURES, documented
from service.http.negotiation import accept_of
from service.http.routes.dicomweb import UID_PATTERN
from service.http.silence import CurrentAudience
from service.results.fhir.versions import FHIR_JSON, content_type, version_asked

if TYPE_CHECKING:
    from service.dicomweb.intake import Intake

BUNDLE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {FHIR_JSON: {"schema": {"type": "object"}}}}}
KNOWN: Final = (*GATE_FAILURES, NotFoundError, InvalidParameterError, SpoolUnavailableError)
FAILURES: Final = documented(*KNOWN)
ANSWER_FAILURES: Final = documented(*KNOWN, SilentError)

SopInstance = Annotated[str, Path(pattern=UID_PATTERN, description="SOPInstanceUID of the film that was stored")]
CURSOR: Final = "`next` of the page before; the other parameters are to be those of the first page"
PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"Link": {"schema": {"type": "string"}, "description": 'rel="next": where the next page is'}}}
}
_Moment = Annotated[
    AwareDatetime | SkipJsonSchema[None],
    BeforeValidator(lambda text: text.replace(" ", "+") if isinstance(text, str) else text),  # a plus sign, unquoted
]


class Filters(BaseModel):
    """The parameters of `GET /results`; each may be absent, and none is ever null."""

    state: ResultState | SkipJsonSchema[None] = Field(
        default=None, description="only films in this state; failed: the dead letters"
    )
    decision: Decision | SkipJsonSchema[None] = Field(default=None, description="only films that were answered so")
    study: Uid | SkipJsonSchema[None] = Field(default=None, description="only films of this StudyInstanceUID")
    problem: str | SkipJsonSchema[None] = Field(
        default=None,
        pattern="^[a-z_]{1,64}$",
        description="only films with this code of a problem, as in docs/reference.md",
    )
    since: _Moment = Field(default=None, description="only films that changed (or arrived: see order) from then on")
    until: _Moment = Field(default=None, description="only films that changed (or arrived) before")
    order: ResultOrder = Field(
        default="changed",
        description="the latest change first, or the latest arrival: then each film is on one page, whatever changes "
        "while the pages are read",
    )
    limit: int = Field(default=100, ge=1, le=1000, description="films of a page")


async def record_reading(request: Request, services: CurrentServices, intake: CurrentIntake) -> None:
    """Record who lists results, or opens one, before they see it.

    Raises:
        AuditUnavailableError: it cannot be recorded, and the policy is to refuse.
    """
    if not services.audit.on or request.method not in ("GET", "HEAD"):
        return
    facts: dict[str, Any] = dict(origin_of(request).facts)
    uid = request.path_params.get("sop_instance_uid")
    if uid is not None:
        try:
            facts["study_instance_uid"] = (await asyncio.to_thread(intake.ledger.find, uid))[0].study_instance_uid
        except NotFoundError as error:
            facts["outcome"] = error.code
    await services.audit.record("query" if uid is None else "read", **facts)


READING: Final = [Depends(Requires("dicom", reads=True)), Depends(record_reading)]

router = APIRouter(prefix="/results", tags=["dicomweb"])


async def query_of(
    asked: Annotated[Filters, Query()], cursor: Annotated[str | SkipJsonSchema[None], Query(description=CURSOR)] = None
) -> ResultQuery:
    """Read the parameters of a list.

    Raises:
        InvalidParameterError: the cursor is of another order, or is none.
    """
    after = None if cursor is None else Cursor.of_text(cursor)
    if after is not None and after.order != asked.order:
        msg = f"the cursor belongs to order={after.order}; ask for the next page with the parameters of the first"
        raise InvalidParameterError(msg)
    return ResultQuery(**dict(asked), after=after)


@router.get(
    "",
    dependencies=READING,
    operation_id="list_results",
    summary="The films that came by DICOMweb",
    responses=PAGE | ANSWER_FAILURES,
)
async def list_results(
    request: Request,
    response: Response,
    intake: CurrentIntake,
    audience: CurrentAudience,
    asked: Annotated[ResultQuery, Depends(query_of)],
) -> ResultList:
    """The latest change first, or the latest arrival.

    A page names the next one in `next` and in the header `Link` (RFC 8288). Films that arrive or change meanwhile move
    no other to another page. Of a silent service `decision` is for callers with the scope `trial` alone.
    """
    if asked.decision is not None:
        audience.check()
    page = await asyncio.to_thread(intake.ledger.list, asked)
    if page.next is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        # Relative to the address that was asked, whatever a proxy has made of it.
        response.headers["Link"] = f'<?{urlencode([*query, ("cursor", page.next)])}>; rel="next"'
    return page


@router.get(
    "/{sop_instance_uid}",
    dependencies=READING,
    operation_id="get_result",
    summary="One film and its analysis",
    responses=ANSWER_FAILURES,
)
async def one_result(
    intake: CurrentIntake, challenger: OptionalChallenger, audience: CurrentAudience, sop_instance_uid: SopInstance
) -> Result:
    """Its state, and the analysis once there is one; of a silent service for callers with the scope `trial` alone."""
    audience.check()
    summary, record = await asyncio.to_thread(intake.ledger.find, sop_instance_uid)
    analysis = None if record is None else AnalysisRecord.model_validate_json(record)
    along = None
    if challenger is not None and audience.sees_trial:
        along = await asyncio.to_thread(challenger.find, sop_instance_uid)
    outbox = intake.outbox
    destinations = () if outbox is None else await asyncio.to_thread(outbox.states, sop_instance_uid)
    return Result(**dict(summary), analysis=analysis, challenger=along, destinations=destinations)


@router.get(
    "/{sop_instance_uid}/fhir",
    dependencies=READING,
    operation_id="get_fhir_result",
    summary="The analysis as FHIR R5 or R4",
    response_class=Response,
    responses=BUNDLE | documented(*KNOWN, SilentError, NotAcceptableError),
)
async def as_fhir(
    request: Request, intake: CurrentIntake, audience: CurrentAudience, sop_instance_uid: SopInstance
) -> Response:
    """A Bundle with a DiagnosticReport, without the patient; 404 before the film is analysed.

    `Accept: application/fhir+json; fhirVersion=4.0` asks for R4. See `one_result` for a silent service.
    """
    audience.check()
    version = version_asked(accept_of(request))
    summary, record = await asyncio.to_thread(intake.ledger.find, sop_instance_uid)
    if summary.state == "withdrawn":
        msg = "the results of this film were withdrawn; GET /results/{sop_instance_uid} shows its state"
        raise NotFoundError(msg)
    if record is None:
        msg = (
            f"the film is in state {summary.state} and has no analysis; GET /results/{{sop_instance_uid}} shows when "
            "it has one"
        )
        raise NotFoundError(msg)
    from service.results.fhir.bundle import collection  # with highdicom: loaded with DICOMweb alone

    bundle = collection(AnalysisRecord.model_validate_json(record), version)
    return Response(json.dumps(bundle), media_type=content_type(version))


@router.post(
    "/{sop_instance_uid}/retry",
    dependencies=[Depends(Requires("dicom"))],
    operation_id="retry_result",
    summary="Try a dead letter again",
    status_code=202,
    responses=ANSWER_FAILURES,
)
async def retry(
    intake: CurrentIntake, challenger: OptionalChallenger, audience: CurrentAudience, sop_instance_uid: SopInstance
) -> Result:
    """From the step that failed: its analysis, or its deliveries, to the PACS and to each destination."""
    audience.check()
    await asyncio.to_thread(_retry, intake, sop_instance_uid)
    intake.worker.wake()
    return await one_result(intake, challenger, audience, sop_instance_uid)


def _retry(intake: "Intake", sop_instance_uid: str) -> None:
    letters = 0 if intake.outbox is None else intake.outbox.retry(sop_instance_uid)
    try:
        intake.ledger.retry(sop_instance_uid)
    except NotFoundError:
        if not letters:
            raise
