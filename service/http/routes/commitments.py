"""`POST /dicomweb/commitments`: what an archive answered to the process of the DICOM network about results."""

import asyncio
from typing import Final

import structlog
from fastapi import APIRouter, Depends

from schemas.errors import (
    BodyTooLargeError,
    InvalidParameterError,
    MalformedRequestError,
    NotFoundError,
    SpoolUnavailableError,
)
from schemas.results import CommitmentNote, CommitmentReport
from service.http.authorization import Requires
from service.http.current import CurrentIntake
from service.http.errors import GATE_FAILURES, documented

FAILURES: Final = documented(
    *GATE_FAILURES,
    MalformedRequestError,
    BodyTooLargeError,
    NotFoundError,
    InvalidParameterError,
    SpoolUnavailableError,
)

router = APIRouter(prefix="/dicomweb", tags=["dicomweb"], dependencies=[Depends(Requires("dicom"))])
log = structlog.get_logger("service.http.commitments")


@router.post(
    "/commitments",
    operation_id="note_commitment",
    summary="Note an archive's storage commitment to results",
    responses=FAILURES,
)
async def note_commitment(intake: CurrentIntake, report: CommitmentReport) -> CommitmentNote:
    """From `python -m service dimse`; results that nobody asked the archive about are not noted."""
    from service.dimse.commitments import Commitments  # with SQLAlchemy: loaded with DICOMweb alone

    commitments = Commitments(intake.engine)
    noted = await asyncio.to_thread(commitments.note, report.transaction_uid, report.committed)
    if report.failed:
        log.warning("results_not_committed", results=len(report.failed))
    intake.worker.wake()
    return CommitmentNote(noted=noted)
