"""The record of a report, put together from films, limits and what the bundle states."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from biostatistics.intervals import wilson_interval
from schemas.acceptance import AcceptanceReport, AppliedProfile, FilmCounts, RecordedLimits
from schemas.api import ModelReference
from schemas.errors import EvidenceError
from schemas.model.calibration import OperatingPoint
from schemas.model.evaluation import Evaluation
from schemas.model.manifest import BundleManifest
from schemas.version import VERSION
from service.acceptance.figures import KINDS, FilmTable, figures
from service.acceptance.labels import Labels
from service.acceptance.observed import Observed, films_sha256
from service.acceptance.subgroups import subgroups
from service.acceptance.verdict import reason, sample_size, verdict


@dataclass(frozen=True, slots=True)
class Subject:
    """The bundle that was tested, as it answered."""

    manifest: BundleManifest
    """With the site's profile, where it has one."""
    reference: ModelReference
    finding: str

    @property
    def card(self) -> Evaluation | None:
        """The figures of films that chose nothing, the test set; else the last that are stated; None: none are."""
        by_name = {evaluation.data: evaluation for evaluation in self.manifest.evaluation}
        return by_name.get("test", next(reversed(by_name.values()), None) if by_name else None)

    @property
    def profile(self) -> AppliedProfile | None:
        """The site's profile in use."""
        site = self._point.site
        if site is None:
            return None
        return AppliedProfile(site=site.site, sha256=site.sha256, risk=site.risk, confidence=site.confidence)

    @property
    def threshold(self) -> float:
        """Of the finding's probability."""
        return self._point.threshold

    @property
    def _point(self) -> OperatingPoint:
        return next(each for each in self.manifest.calibration.operating_points if each.finding == self.finding)


@dataclass(frozen=True, slots=True)
class Examination:
    """The films of a test, and what became of those that have no figures."""

    films: Sequence[Observed]
    labels: Labels
    unreadable: int
    missing: int
    unlabelled: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a report."""

    name: str
    site: str | None
    made_at: datetime


def make_report(heading: Heading, subject: Subject, limits: RecordedLimits, examined: Examination) -> AcceptanceReport:
    """Every figure and the verdict; the pictures follow.

    Raises:
        EvidenceError: no labelled film could be read.
    """
    if not examined.films:
        msg = (
            f"of {len(examined.labels.by_film)} labelled films {examined.missing} are not in the folder and "
            f"{examined.unreadable} cannot be read; nothing is left to judge: correct the folder or the labels"
        )
        raise EvidenceError(msg)
    table = FilmTable(examined.films, subject.threshold)
    rows = figures(table, limits, subject.card, subject.finding)
    limited = [(row, row.limit) for row in rows if row.limit is not None]
    return AcceptanceReport(
        name=heading.name,
        made_at=heading.made_at,
        site=heading.site,
        software_version=VERSION,
        model=subject.reference,
        profile=subject.profile,
        finding=subject.finding,
        threshold=subject.threshold,
        verdict=verdict([row.outcome for row, _ in limited if row.outcome is not None]),
        reasons=tuple(reason(row, limit) for row, limit in limited),
        limits=limits,
        labels_sha256=examined.labels.sha256,
        films_sha256=films_sha256(examined.films),
        counts=_counts(table, examined),
        prevalence=wilson_interval(table.with_finding, len(table.films)),
        figures=rows,
        abstentions=table.abstentions(),
        bands=table.bands(),
        subgroups=tuple(subgroups(table.films, subject.threshold)),
        sample_sizes=tuple(sample_size(row, limit, KINDS[row.name]) for row, limit in limited),
        plots=(),
        seconds=round(examined.seconds, 1),
    )


def _counts(table: FilmTable, examined: Examination) -> FilmCounts:
    cells = table.confusion
    return FilmCounts(
        labels=len(examined.labels.by_film),
        films=len(table.films),
        unreadable=examined.unreadable,
        missing=examined.missing,
        unlabelled=examined.unlabelled,
        with_finding=table.with_finding,
        without_finding=len(table.films) - table.with_finding,
        positive=cells.hits + cells.false_alarms,
        negative=cells.misses + cells.rejections,
        abstained=len(table.films) - table.answered,
        missed=cells.misses,
        false_alarms=cells.false_alarms,
    )
