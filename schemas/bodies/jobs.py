"""The bodies of `POST /jobs` and `GET /jobs…`: films that are read while nothing else is to be done."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from schemas.errors import InvalidParameterError
from schemas.model.calibration import Decision
from schemas.record import Record
from schemas.results import Uid

JobState = Literal["running", "completed", "cancelled"]
JobSource = Literal["films", "query", "archive"]
JobFilmState = Literal["waiting", "stored", "analysed", "refused", "failed", "cancelled"]

_OURS: Final = frozenset({"limit", "offset", "includefield"})
QueryKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9.]{1,64}$")]
QueryValue = Annotated[str, Field(max_length=1024)]


class FilmReference(Record):
    """One film of the PACS, or all of a series or a study."""

    study_instance_uid: Uid
    series_instance_uid: Uid | None = Field(default=None, description="null: all of the study")
    sop_instance_uid: Uid | None = Field(default=None, description="null: all of the series, or of the study")


class JobRequest(Record):
    """The body of `POST /jobs`, unless it is an archive: a list of films, or a query, for the PACS of CXR_PACS_URL."""

    films: tuple[FilmReference, ...] = Field(default=(), description="films, series or studies of the PACS")
    query: dict[QueryKey, QueryValue] | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="QIDO-RS parameters of a search for instances, e.g. StudyDate and Modality (DICOM PS3.18 10.6)",
    )
    verify: bool = Field(
        default=False,
        description="true: fetch every film and compare its content; false: a film whose SOPInstanceUID was read by "
        "the same bundle is not fetched again",
    )
    notify: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,32}$",
        description="name of a webhook in CXR_DESTINATIONS that is told, with a signature, when the job has ended",
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if bool(self.films) == (self.query is not None):
            msg = "send either films, at least one, or query"
            raise ValueError(msg)
        if self.query is not None and {name.lower() for name in self.query} & _OURS:
            msg = "query names limit, offset or includefield, which the service sets itself; leave them out"
            raise ValueError(msg)
        return self


class JobProgress(Record):
    """How many films are in each state."""

    films: int = Field(description="that are known so far; while `searches` is not 0 there may be more")
    searches: int = Field(description="searches of the PACS that are not over")
    waiting: int = Field(description="not yet in the spool")
    stored: int = Field(description="in the spool, and not yet read")
    analysed: int = Field(description="read; GET /results/{sop_instance_uid} has the answer while it is kept")
    refused: int = Field(description="not films that can be read")
    failed: int = Field(description="given up, see problem of each")
    cancelled: int
    reused: int = Field(description="of all these, films that had been read before and were not read again")


class Job(Record):
    """The state of one job."""

    id: str
    state: JobState
    source: JobSource
    created_at: datetime
    finished_at: datetime | None = Field(description="null: it is running")
    notify: str | None = Field(description="who is told when it has ended; null: nobody")
    progress: JobProgress


class JobList(Record):
    """The answer of `GET /jobs`: the latest first."""

    jobs: tuple[Job, ...]
    next: str | None = Field(default=None, description="cursor of the next page; null: this is the last one")


class JobFilm(Record):
    """One film of a job."""

    number: int = Field(description="its place in the job's list; a gap is a search")
    state: JobFilmState = Field(
        description="waiting: not yet in the spool; stored: not yet read; analysed; refused: cannot be read; failed: "
        "given up; cancelled"
    )
    study_instance_uid: str | None = Field(description="null: not known yet")
    sop_instance_uid: str | None = Field(description="null: not known yet, or the file of an archive is not a film")
    reused: bool = Field(description="whether it had been read before, and was not read again")
    decision: Decision | None = Field(description="null: none, or the service is silent")
    problem: str | None = Field(description="code of the last problem, as in docs/reference.md")
    detail: str | None


class JobFilmList(Record):
    """The answer of `GET /jobs/{job}/films`, in the order of the job's list."""

    films: tuple[JobFilm, ...]
    next: str | None = Field(default=None, description="cursor of the next page; null: this is the last one")


def cursor_text(number: int) -> str:
    """A cursor that stands after this number."""
    return base64.urlsafe_b64encode(f"jobs:{number}".encode()).decode().rstrip("=")


def cursor_number(text: str | None) -> int | None:
    """The number of a cursor; None: the first page.

    Raises:
        InvalidParameterError: it is not the text of a cursor.
    """
    if text is None:
        return None
    try:
        kind, _, number = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(":")
        if kind == "jobs" and len(number) < 19:  # noqa: PLR2004 digits of a number that a database can hold
            return int(number)
    except (binascii.Error, ValueError):
        pass  # said below
    msg = "the parameter cursor is not one of this service; use `next` of the page before, or leave it out"
    raise InvalidParameterError(msg)
