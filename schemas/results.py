"""The bodies of `GET /results…`: the state of the films that were stored by DICOMweb; and what may be asked of them."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError

from schemas.analysis import AnalysisRecord
from schemas.errors import InvalidParameterError
from schemas.evidence.challenger import ChallengerAnswer
from schemas.model.calibration import Decision
from schemas.record import Record

ResultState = Literal["received", "analysed", "delivered", "failed", "refused", "withdrawn"]
SpoolPriority = Literal["stat", "routine", "backfill"]
"""backfill: films of `POST /jobs`, which are read while nothing else is to be done."""
ResultKind = Literal["film", "summary"]
WithdrawalReason = Literal["quality", "patient_safety", "wrong_patient"]


Uid = Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]


ResultOrder = Literal["changed", "received"]
"""By which time a list is ordered, the latest first."""


class Cursor(Record):
    """The last film of a page: the next one begins after it."""

    order: ResultOrder
    time: float = Field(description="of the film, in seconds since 1970", allow_inf_nan=False)
    sop_instance_uid: Uid

    @property
    def text(self) -> str:
        """As it stands in an address."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read `text`.

        Raises:
            InvalidParameterError: it is not the text of a cursor.
        """
        try:
            return cls.model_validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValidationError, binascii.Error, ValueError) as error:
            msg = "the parameter cursor is not one of this service; use `next` of the page before, or leave it out"
            raise InvalidParameterError(msg) from error


class ResultQuery(Record):
    """Which films a list shows; a filter that is None lets all through."""

    state: ResultState | None = None
    decision: Decision | None = None
    study: Uid | None = None
    problem: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    """The times by which the list is ordered: from `since` on, before `until`."""
    order: ResultOrder = "changed"
    after: Cursor | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class ResultSummary(Record):
    """The state of one stored film; its UIDs are the only link to a patient."""

    sop_instance_uid: str
    study_instance_uid: str
    state: ResultState = Field(
        description="received: waits for its analysis; analysed: has results, which wait for the PACS where one "
        "is configured; delivered: the PACS has them; failed: given up, see problem and POST …/retry; "
        "refused: not a film that can be read; withdrawn: its results were taken back, and the PACS is informed once "
        "next_attempt_at is null"
    )
    kind: ResultKind = Field(
        default="film", description="summary: the summary of a study, under an identifier of the service's own"
    )
    version: int = Field(default=1, description="of the film: one more for each content that was sent under its UID")
    priority: SpoolPriority
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


class WithdrawalRequest(Record):
    """The body of `POST /results/{sop_instance_uid}/withdraw`."""

    reason: WithdrawalReason = Field(
        description="quality: the results are wrong or of no use; patient_safety: nobody may see them; wrong_patient: "
        "they are of another patient or another order"
    )


class ResultList(Record):
    """The answer of `GET /results`: the latest first."""

    results: tuple[ResultSummary, ...]
    next: str | None = Field(
        default=None, description="cursor of the next page, which the header Link names too; null: this is the last one"
    )


class CommitmentReport(Record):
    """The body of `POST /dicomweb/commitments`: what an archive has answered to a request for storage commitment."""

    transaction_uid: Uid = Field(description="of the request")
    committed: tuple[Uid, ...] = Field(max_length=1000, description="results that it has committed to")
    failed: tuple[Uid, ...] = Field(default=(), max_length=1000, description="results that it has not")


class CommitmentNote(Record):
    """The answer of `POST /dicomweb/commitments`."""

    noted: int = Field(description="results that were asked for and are committed to now")
