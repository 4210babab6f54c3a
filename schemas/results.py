"""The bodies of `GET /results…`: the state of the films that were stored by DICOMweb."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from schemas.analysis import AnalysisRecord
from schemas.evidence.challenger import ChallengerAnswer
from schemas.record import Record

ResultState = Literal["received", "analysed", "delivered", "failed", "refused"]


Uid = Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]


class ResultSummary(Record):
    """The state of one stored film; its UIDs are the only link to a patient."""

    sop_instance_uid: str
    study_instance_uid: str
    state: ResultState = Field(
        description="received: waits for its analysis; analysed: has results, which wait for the PACS where one "
        "is configured; delivered: the PACS has them; failed: given up, see problem and POST …/retry; "
        "refused: not a film that can be read"
    )
    priority: Literal["stat", "routine"]
    received_at: datetime
    changed_at: datetime
    attempts: int = Field(description="of the step that the film waits for")
    next_attempt_at: datetime | None = Field(description="null where none will be made")
    problem: str | None = Field(description="code of the last problem, as in docs/reference.md")
    detail: str | None


class DestinationState(Record):
    """How far the delivery of a film's results to one destination is."""

    name: str = Field(description="of the destination, as in the file of CXR_DESTINATIONS")
    state: Literal["waiting", "delivered", "failed"] = Field(
        description="waiting: is sent, or tried again; failed: given up, see problem and POST …/retry"
    )
    attempts: int
    problem: str | None = Field(description="code of the last problem, as in docs/reference.md")
    detail: str | None
    changed_at: datetime


class Result(ResultSummary):
    """The answer of `GET /results/{sop_instance_uid}`."""

    analysis: AnalysisRecord | None = Field(description="null before the film is analysed, and where it cannot be")
    challenger: ChallengerAnswer | None = Field(
        default=None,
        description="of the bundle that reads along, for callers with the scope `trial`; null: it has not read the "
        "film, or there is none",
    )
    destinations: tuple[DestinationState, ...] = Field(
        default=(), description="deliveries in addition to the PACS, docs/destinations.md; the latest of each"
    )


class ResultList(Record):
    """The answer of `GET /results`: the latest change first."""

    results: tuple[ResultSummary, ...]


class CommitmentReport(Record):
    """The body of `POST /dicomweb/commitments`: what an archive has answered to a request for storage commitment."""

    transaction_uid: Uid = Field(description="of the request")
    committed: tuple[Uid, ...] = Field(max_length=1000, description="results that it has committed to")
    failed: tuple[Uid, ...] = Field(default=(), max_length=1000, description="results that it has not")


class CommitmentNote(Record):
    """The answer of `POST /dicomweb/commitments`."""

    noted: int = Field(description="results that were asked for and are committed to now")
