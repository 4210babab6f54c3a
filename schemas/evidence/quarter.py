"""The record of a quarter's post-market bundle: counts alone, from which nobody can be told."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from schemas.estimate import Estimate
from schemas.monitoring import VerdictSource, VerdictWord
from schemas.record import Record, Sha256

ChangeKind = Literal["software", "bundle", "limits", "suspended", "lifted", "action"]


class ChainSpan(Record):
    """The part of the audit log that the bundle was checked against."""

    records: int = Field(description="of the whole log, whose chain is whole")
    first: int | None = Field(description="number of the first record of the period; null: there is none")
    last: int | None
    head: Sha256 = Field(description="hash of the last record of the log when the bundle was written")
    omitted: int = Field(description="events of the period that could not be written")


class BundleCounts(Record):
    """The answers of one bundle, in the period or in one month of it."""

    bundle: str
    sha256: Sha256
    films: int
    positive: int
    negative: int
    abstained: int
    withheld: int = Field(description="of all, answered `suspended`; the decision above is what would have been said")
    unfamiliar: int


class MonthCounts(BundleCounts):
    """The answers of one bundle in one month."""

    month: str


class GroupCounts(Record):
    """Films by a trait."""

    trait: Literal["station and device", "view", "age group"]
    value: str
    films: int
    abstained: int
    unfamiliar: int


class DriftIndex(Record):
    """How far the films of the period lie from those of validation, by one signal."""

    bundle: str
    signal: str
    films: int
    index: float = Field(description="population stability index")
    limit: float | None = Field(description="what chance alone exceeds once in 100,000; null: fewer than 50 films")


class VerdictCounts(Record):
    """Verdicts of one source."""

    source: VerdictSource
    verdict: VerdictWord
    count: int


class FindingCounts(Record):
    """The answers of one bundle about one finding against the truth, by the last verdict of the period."""

    bundle: str
    finding: str
    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    unanswered: int = Field(description="with a truth, and abstained from")
    sensitivity: Estimate | None = Field(description="95 % Wilson interval: looked at once, at the end of the period")
    specificity: Estimate | None
    ppv: Estimate | None


class SuspensionEntry(Record):
    """A stop of the period."""

    at: datetime
    reason: str
    lifted_at: datetime | None
    lifted_by: str | None = Field(description="key:<id> or token:<subject>")
    lifted_because: str | None


class FailureCount(Record):
    """Films that had no answer, by the code of the problem."""

    code: str
    films: int


class Change(Record):
    """One row of the table of changes (predetermined change control plan)."""

    at: datetime
    kind: ChangeKind
    before: str
    after: str
    by: str


class Quarter(Record):
    """`quarterly.json`: every figure of the bundle."""

    first_day: date
    last_day: date
    written_at: datetime
    written_by: str = Field(description="version of the software that wrote it")
    software: tuple[str, ...] = Field(description="versions that analysed films of the period")
    chain: ChainSpan | None = Field(description="null: the service keeps no audit log (CXR_AUDIT_FILE)")
    bundles: tuple[BundleCounts, ...]
    months: tuple[MonthCounts, ...]
    groups: tuple[GroupCounts, ...]
    drift: tuple[DriftIndex, ...] = Field(description="of bundles that are in the models directory still")
    verdicts: tuple[VerdictCounts, ...]
    findings: tuple[FindingCounts, ...]
    suspensions: tuple[SuspensionEntry, ...]
    failures: tuple[FailureCount, ...] = Field(description="from the audit log")
    dead_letters: int = Field(description="films of the period that are given up in the spool now")
    changes: tuple[Change, ...]
