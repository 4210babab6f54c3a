"""The record of one event, and the line that holds it; no name, tag, pixel or probability of a film is in it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from schemas.model.calibration import Decision
from schemas.monitoring import Presence, VerdictSource, VerdictWord
from schemas.record import Record, Sha256

Event = Literal[
    "started",
    "stopped",
    "resumed",
    "film",
    "stored",
    "analysed",
    "delivered",
    "query",
    "read",
    "action",
    "withdrawn",
    "refusal",
    "verdict",
    "limits",
    "suspended",
    "lifted",
    "acceptance",
    "profile",
]


def _writable(text: str) -> str:
    """A text that UTF-8 can hold: half of a surrogate pair, which JSON lets anybody write, would lose a whole batch."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


Text = Annotated[str, BeforeValidator(lambda value: _writable(value) if isinstance(value, str) else value)]


class AuditEntry(Record):
    """One event."""

    at: datetime
    event: Event = Field(
        description="film: answered at once; stored: put into the spool; analysed: read from the spool; delivered: "
        "results reached the PACS or another destination; query: results were listed; read: one was opened; action: of "
        "an administrator; withdrawn: results of a film, by one; refusal: no valid key, or not the scope; verdict: of "
        "a reader or a report; limits: registered; suspended, lifted: the stop rule; acceptance: a test on local "
        "films; profile: an operating point of the site; started, stopped, resumed: the log itself"
    )
    caller: Text = Field(description="key:<id>, token:<subject>, anonymous, unknown, or service: never a key")
    address: Text | None = Field(default=None, description="network address from which the caller's connection came")
    route: Text | None = Field(default=None, description="the address's template")
    request_id: Text | None = None
    film_sha256: Sha256 | None = Field(default=None, description="of the bytes as they were sent")
    study_instance_uid: Text | None = Field(
        default=None, description="of the film, where the log is sent on as ATNA messages; they name studies"
    )
    destination: Text | None = Field(default=None, description="who got results: pacs, or a name of CXR_DESTINATIONS")
    content_sha256: Sha256 | None = Field(
        default=None, description="of the limits, the report, the profile, or a withdrawn film's data set"
    )
    model_sha256: Sha256 | None = Field(default=None, description="of the bundle's manifest")
    label: str | None = None
    decision: Decision | None = None
    findings: dict[str, Decision] | None = Field(default=None, description="the decision about each, where several")
    repeated: bool | None = Field(
        default=None, description="true: the answer was kept from a film of the same bytes, and not computed again"
    )
    withheld: dict[str, Decision] | None = Field(
        default=None, description="what would have been decided, by finding, where the service is suspended"
    )
    verdict: VerdictWord | None = None
    source: VerdictSource | None = Field(default=None, description="of the verdict")
    truth: dict[str, Presence] | None = Field(default=None, description="what the verdict states, by finding")
    limits_sha256: Sha256 | None = Field(default=None, description="of the file of limits")
    reason: Text | None = Field(
        default=None,
        description="of a stop or a withdrawal; or in an operator's words why it was lifted, or a challenger promoted",
    )
    outcome: str = Field(default="ok", description="ok, begun, or what was answered instead: a problem's code")


class AuditRecord(AuditEntry):
    """One line of the file."""

    sequence: int = Field(ge=1)
    software: str = Field(description="version of the service that wrote the line")
    previous: Sha256 = Field(description="of the line before, without its line feed; zeros before the first")
    omitted: int | None = Field(default=None, ge=1, description="events before this one that could not be written")
    torn_bytes: int | None = Field(
        default=None,
        ge=1,
        description="of a half-written line at the end, which a start cut off; it was never answered",
    )
