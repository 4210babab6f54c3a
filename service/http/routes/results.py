"""`GET /results…`: the films that came by DICOMweb, their states and analyses."""

import asyncio
import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic.json_schema import SkipJsonSchema

from schemas.analysis import AnalysisRecord
from schemas.errors import (
    InvalidParameterError,
    NotAcceptableError,
    NotFoundError,
    SilentError,
    SpoolUnavailableError,
)
from schemas.results import Result, ResultList, ResultState
from service.dicomweb.intake import Intake
from service.http.authorization import Requires, origin_of
from service.http.current import CurrentIntake, CurrentServices, OptionalChallenger
from service.http.errors import GATE_FAILURES, documented
from service.http.negotiation import accept_of
from service.http.routes.dicomweb import UID_PATTERN
from service.http.silence import CurrentAudience
from service.results.fhir.bundle import collection
from service.results.fhir.versions import FHIR_JSON, content_type, version_asked

BUNDLE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {FHIR_JSON: {"schema": {"type": "object"}}}}}
KNOWN: Final = (*GATE_FAILURES, NotFoundError, InvalidParameterError, SpoolUnavailableError)
FAILURES: Final = documented(*KNOWN)
ANSWER_FAILURES: Final = documented(*KNOWN, SilentError)

SopInstance = Annotated[str, Path(pattern=UID_PATTERN, description="SOPInstanceUID of the film that was stored")]
State = Annotated[
    ResultState | SkipJsonSchema[None],  # absent, but never null
    Query(description="only films in this state; failed: the dead letters"),
]


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


router = APIRouter(
    prefix="/results", tags=["DICOMweb"], dependencies=[Depends(Requires("dicom")), Depends(record_reading)]
)


@router.get("", summary="The films that came by DICOMweb", responses=FAILURES)
async def list_results(
    intake: CurrentIntake, state: State = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ResultList:
    """The latest change first."""
    return ResultList(results=await asyncio.to_thread(intake.ledger.list, state, limit))


@router.get("/{sop_instance_uid}", summary="One film and its analysis", responses=ANSWER_FAILURES)
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
    if record is None:
        msg = (
            f"the film is in state {summary.state} and has no analysis; GET /results/{{sop_instance_uid}} shows when "
            "it has one"
        )
        raise NotFoundError(msg)
    bundle = collection(AnalysisRecord.model_validate_json(record), version)
    return Response(json.dumps(bundle), media_type=content_type(version))


@router.post("/{sop_instance_uid}/retry", summary="Try a dead letter again", status_code=202, responses=ANSWER_FAILURES)
async def retry(
    intake: CurrentIntake, challenger: OptionalChallenger, audience: CurrentAudience, sop_instance_uid: SopInstance
) -> Result:
    """From the step that failed: its analysis, or its deliveries, to the PACS and to each destination."""
    audience.check()
    await asyncio.to_thread(_retry, intake, sop_instance_uid)
    intake.worker.wake()
    return await one_result(intake, challenger, audience, sop_instance_uid)


def _retry(intake: Intake, sop_instance_uid: str) -> None:
    letters = 0 if intake.outbox is None else intake.outbox.retry(sop_instance_uid)
    try:
        intake.ledger.retry(sop_instance_uid)
    except NotFoundError:
        if not letters:
            raise
