"""The bodies of `GET /monitoring`, of verdicts and of the stop rule; no patient and no film is named in them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.estimate import Estimate
from schemas.record import Record, Sha256

Presence = Literal["present", "absent"]
VerdictWord = Literal["accept", "modify", "reject"]
VerdictSource = Literal["api", "csv", "sr", "report"]
"""api: `POST …/verdict`, also by the page; csv: a file; sr: a DICOM SR by STOW-RS; report: a final report."""

Figure = Literal["sensitivity", "specificity", "ppv"]
StoppingFigure = Literal["sensitivity", "specificity"]
"""The predictive value moves with the prevalence alone, so that no limit of it may stop the service."""

FindingName = Annotated[str, Field(min_length=1, max_length=64)]


class VerdictRequest(Record):
    """The body of `POST /results/{sop_instance_uid}/verdict`; the same body twice changes nothing."""

    verdict: VerdictWord = Field(
        description="accept: the answer is right; modify: it is right except for `corrected`; reject: it is wrong"
    )
    findings: tuple[FindingName, ...] = Field(
        default=(),
        max_length=64,
        description="what the verdict is about; empty: every finding that the answer decided. A rejection of an answer "
        "that decided several findings has to name those that are wrong",
    )
    corrected: dict[FindingName, Presence] = Field(
        default={},
        max_length=64,
        description="the truth where the reader states it; needed by modify, and for a film that was not answered",
    )

    @model_validator(mode="after")
    def _correction_fits_the_verdict(self) -> Self:
        if self.verdict == "modify" and not self.corrected:
            msg = "modify needs `corrected`: the findings that are not as answered, each present or absent"
            raise ValueError(msg)
        if self.verdict == "accept" and self.corrected:
            msg = "accept leaves the answer as it is; send modify with `corrected`"
            raise ValueError(msg)
        return self


class VerdictReceipt(Record):
    """The answer to a verdict."""

    stored: Literal["new", "changed", "known"] = Field(
        description="new: the first verdict about this film; changed: it replaces an earlier one, which is kept; "
        "known: the same verdict was there already"
    )
    truth: dict[str, Presence] = Field(description="what is now held to be true of the film, by finding")


class ImportProblem(Record):
    """Why one row of a table, or one film of a report, has no verdict stored."""

    line: int = Field(description="of the table, from 1, the head included")
    code: str
    detail: str


class VerdictImport(Record):
    """The answer of `POST /verdicts`: how many films have a verdict by it."""

    new: int = 0
    changed: int = 0
    known: int = 0
    problems: tuple[ImportProblem, ...] = Field(default=(), description="rows that were refused; the others are stored")


class StopLimit(Record):
    """One pre-registered limit: the least value of a figure of one finding."""

    figure: StoppingFigure
    finding: FindingName
    at_least: float = Field(gt=0, lt=1)


class StopLimits(Record):
    """The file of pre-registered limits (`CXR_STOP_LIMITS`); its hash stands in the audit log."""

    format: Literal[1] = 1
    alpha: float = Field(
        default=0.05, gt=0, le=0.2, description="chance of a false stop, over all limits and over all time"
    )
    limits: tuple[StopLimit, ...] = Field(min_length=1, max_length=32)

    @model_validator(mode="after")
    def _each_is_limited_once(self) -> Self:
        names = [(limit.figure, limit.finding) for limit in self.limits]
        if len(set(names)) != len(names):
            msg = "a figure of a finding has two limits; keep one of them"
            raise ValueError(msg)
        return self


class RegisteredLimits(StopLimits):
    """The limits in force."""

    sha256: Sha256 = Field(description="of the file as it was registered")
    registered_at: datetime = Field(description="when the service first saw a file of this hash")


class Suspension(Record):
    """A stop: the service analyses on, and answers `suspended`."""

    since: datetime
    limit: StopLimit = Field(description="the limit that was crossed")
    bundle: str = Field(description="NAME/VERSION of the bundle whose answers crossed it")
    films: int = Field(description="films with a verdict that count for the figure at the stop")
    wrong: int = Field(description="of those, answered wrongly")
    evidence: float = Field(description="the e-value against the limit at the stop")
    needed: float = Field(description="the e-value from which the service stops: number of limits / alpha")
    reason: str = Field(description="in words, for a person")
    limits_sha256: Sha256


class SeriesPoint(Record):
    """The state of a figure after so many films: what a plot shows."""

    films: int
    at: datetime = Field(description="of the last verdict that counts")
    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class MonitoredFigure(Record):
    """A running figure of one finding, over the films of one bundle since monitoring began or was resumed."""

    figure: Figure
    finding: str
    bundle: str = Field(description="NAME/VERSION")
    films: int = Field(description="films that count: sensitivity those with, specificity those without the finding")
    right: int = Field(description="of those, answered rightly")
    estimate: Estimate | None = Field(
        description="value, low and high of a confidence sequence, valid at every time at once; null: no film counts"
    )
    recent: float | None = Field(description="value over the last 50 films that count, without interval; null: none")
    limit: float | None = Field(description="the pre-registered limit; null: there is none")
    evidence: float | None = Field(description="e-value against the limit; null: there is no limit")
    needed: float | None = Field(description="e-value from which the service stops; null: there is no limit")
    series: tuple[SeriesPoint, ...] = Field(description="at most 60 points, the oldest first")


class StationRates(Record):
    """How often films of one station and device were not answered."""

    station: str = Field(description="StationName of the films; empty: not stated")
    device: str = Field(description="ManufacturerModelName of the films; empty: not stated")
    films: int
    abstained: Estimate = Field(description="share, with a confidence sequence")
    unfamiliar: Estimate = Field(description="share, with a confidence sequence")


class Monitoring(Record):
    """The answer of `GET /monitoring`."""

    enabled: bool = Field(description="false: the service has no spool, so nothing is monitored; see `note`")
    note: str | None = Field(description="why nothing is monitored, or why nothing can stop; null: neither")
    suspended: bool
    suspension: Suspension | None = Field(description="null: not suspended")
    limits: RegisteredLimits | None = Field(description="null: none are registered, and nothing stops the service")
    readings: int = Field(description="films read since monitoring began or was resumed")
    verdicts: int = Field(description="of those, films with a verdict")
    last_verdict_at: datetime | None
    figures: tuple[MonitoredFigure, ...]
    rates: tuple[StationRates, ...]


class ResumeRequest(Record):
    """The body of `POST /monitoring/resume`: lifts the suspension."""

    reason: str = Field(min_length=8, max_length=500, description="what was found and done; it stands in the audit log")
