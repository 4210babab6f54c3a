"""What a hospital's own films say of a bundle: the record of an acceptance report, the bodies of `GET /acceptance…`."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.api import DISCLAIMER, AbstentionReason, ModelReference
from schemas.estimate import Estimate
from schemas.model.calibration import Fraction
from schemas.model.evaluation import ProbabilityBand
from schemas.record import Record, Sha256

RECORD: Literal["report.json"] = "report.json"
HTML: Literal["report.html"] = "report.html"
PDF: Literal["report.pdf"] = "report.pdf"
SIGNATURE: Literal["report.sig"] = "report.sig"
LIMITS: Literal["limits.json"] = "limits.json"
"""Files of a report's folder; `limits.json` is on disk before a label is read."""

ReportName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
AcceptanceVerdict = Literal["accept", "reject", "not_enough"]
"""accept: each interval lies within its limit; reject: one lies wholly beyond it; not_enough: neither."""

LimitOutcome = Literal["met", "missed", "open"]
"""met: the interval lies within the limit; missed: wholly beyond it; open: it straddles the limit, or there is none."""

FigureName = Literal[
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "ppv_at_stated_prevalence",
    "npv_at_stated_prevalence",
    "missed",
    "false_alarms",
    "answered",
    "unfamiliar",
    "auroc",
    "ece",
]
SubgroupAttribute = Literal["age", "sex", "view", "device", "station"]


class Limit(Record):
    """What a figure has to reach, or must not exceed."""

    at_least: Fraction | None = None
    at_most: Fraction | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.at_least is None and self.at_most is None:
            msg = "states neither at_least nor at_most; give one of them, or leave the figure out"
            raise ValueError(msg)
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            msg = f"at_least {self.at_least} is above at_most {self.at_most}; no figure satisfies both"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        """The limit as reports print it: `at least 90.0%`."""
        parts = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{words} {value:.1%}" for words, value in parts if value is not None)


class RecordedLimits(Record):
    """The limits as they were on disk before the first label was read."""

    sha256: Sha256 = Field(description="of the bytes of the limits file")
    recorded_at: datetime = Field(description="when they were written to the report's folder; no label had been read")
    limits: dict[FigureName, Limit] = Field(min_length=1)
    stated_prevalence: Fraction | None = Field(
        default=None, description="for predictive values at another prevalence than that of the films"
    )


class AcceptanceFigure(Record):
    """One figure of the local films."""

    name: FigureName
    title: str = Field(description="for a reader: 'Sensitivity of the answers given'")
    estimate: Estimate | None = Field(description="with its 95 % interval; null: no film to measure it on")
    hits: int | None = Field(default=None, description="numerator of a proportion; null: the figure is not one")
    films: int = Field(ge=0, description="films that it rests on; denominator of a proportion")
    limit: Limit | None = Field(default=None, description="null: the limits file states none")
    outcome: LimitOutcome | None = Field(default=None, description="null: no limit")
    card: Estimate | None = Field(
        default=None, description="what the model card states; null: it states no such figure"
    )


class SubgroupFigures(Record):
    """The main figures of one group of films; groups with few films say little, as their intervals show."""

    attribute: SubgroupAttribute
    group: str = Field(description="e.g. '18-39'; a device or station by its digest; 'not stated'")
    films: int
    with_finding: int
    sensitivity: Estimate | None = Field(description="null: no answered film with the finding")
    specificity: Estimate | None = Field(description="null: no answered film without it")
    answered: Estimate


class FilmCounts(Record):
    """How many films there were, and what became of them."""

    labels: int = Field(description="rows of the labels file")
    films: int = Field(description="labelled films that were read; every figure rests on these")
    unreadable: int = Field(description="labelled films that the service refuses")
    missing: int = Field(description="labelled films that the folder does not hold")
    unlabelled: int = Field(description="films of the folder without a label; they were not read")
    with_finding: int
    without_finding: int
    positive: int = Field(description="answered positive")
    negative: int = Field(description="answered negative")
    abstained: int
    missed: int = Field(description="with the finding, answered negative")
    false_alarms: int = Field(description="without the finding, answered positive")


class AbstentionCount(Record):
    """Films that were not answered, for one reason; a film may have several."""

    reason: AbstentionReason
    films: int
    with_finding: int


class SampleSize(Record):
    """How many films a decision on one limit takes."""

    figure: FigureName
    kind: str = Field(description="which films count: 'answered films with the finding'")
    films: int = Field(description="there are")
    needed: int | None = Field(
        description="films of this kind with which an interval around the same figure would lie on one side of the "
        "limit, as many as there are where it does; null: no number would do, the figure lies on the limit"
    )


class ReportPlot(Record):
    """A picture of the report, a file of its folder."""

    file: str = Field(pattern=r"^[a-z0-9_-]+\.svg$", description="GET /acceptance/{name}/plots/{file}")
    title: str
    text: str = Field(description="what the picture shows, for those who cannot see it")


class AppliedProfile(Record):
    """The site profile with which the bundle answered the films."""

    site: str
    sha256: Sha256
    risk: Fraction
    confidence: Fraction


class AcceptanceReport(Record):
    """The record of one acceptance test: `report.json`, and the answer of `GET /acceptance/{name}`.

    It holds counts and figures alone, and no film's name, UID or label.
    """

    format: Literal[1] = 1
    name: ReportName
    made_at: datetime
    site: str | None = Field(default=None, description="as the operator names it; null: not stated")
    software_version: str
    model: ModelReference
    profile: AppliedProfile | None = Field(default=None, description="null: the bundle's own operating point")
    finding: str
    threshold: Fraction
    verdict: AcceptanceVerdict
    reasons: tuple[str, ...] = Field(description="why the verdict is what it is, a sentence for each limit")
    limits: RecordedLimits
    labels_sha256: Sha256 = Field(description="of the bytes of the labels file")
    films_sha256: Sha256 = Field(description="over the sorted SHA-256 of the films that were read")
    counts: FilmCounts
    prevalence: Estimate = Field(description="share of the films that have the finding")
    figures: tuple[AcceptanceFigure, ...]
    abstentions: tuple[AbstentionCount, ...]
    bands: tuple[ProbabilityBand, ...] = Field(description="calibration: share with the finding by probability")
    subgroups: tuple[SubgroupFigures, ...]
    sample_sizes: tuple[SampleSize, ...]
    plots: tuple[ReportPlot, ...]
    seconds: float = Field(ge=0, description="to read the films")
    disclaimer: str = DISCLAIMER


class AcceptanceSummary(Record):
    """One report of the list."""

    name: ReportName
    made_at: datetime
    site: str | None
    model: ModelReference
    finding: str
    verdict: AcceptanceVerdict
    films: int
    with_finding: int
    with_profile: bool = Field(description="whether the bundle answered with a site profile")
    signed_by: str | None = Field(description="id of the site's key; null: the report is not signed")


class AcceptanceList(Record):
    """The answer of `GET /acceptance`, the newest report first."""

    reports: tuple[AcceptanceSummary, ...]
