"""From films with a verdict to running figures, and to whether a limit is crossed; pure."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from biostatistics.sequences import HarmEvidence, bernoulli_sequence
from schemas.estimate import Estimate
from schemas.monitoring import (
    Figure,
    MonitoredFigure,
    RegisteredLimits,
    SeriesPoint,
    StationRates,
    StopLimit,
    Suspension,
)
from service.surveillance.ledger import Labelled

FIGURES: Final[tuple[Figure, ...]] = ("sensitivity", "specificity", "ppv")
RECENT: Final = 50
POINTS: Final = 60


@dataclass(frozen=True, slots=True)
class Trial:
    """One film that counts for a figure."""

    right: bool
    analysed_at: float
    verdict_at: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """A figure whose limit is crossed."""

    limit: StopLimit
    bundle: str
    films: int
    wrong: int
    evidence: float
    needed: float

    def suspension(self, limits: RegisteredLimits, now: float) -> Suspension:
        """The stop that follows."""
        limit = self.limit
        reason = (
            f"{limit.figure} of {limit.finding} is below its limit of {limit.at_least:.1%}: {self.wrong} of "
            f"{self.films} films with a verdict were answered wrongly by {self.bundle}"
        )
        return Suspension(
            since=datetime.fromtimestamp(now, UTC),
            limit=limit,
            bundle=self.bundle,
            films=self.films,
            wrong=self.wrong,
            evidence=self.evidence,
            needed=self.needed,
            reason=reason,
            limits_sha256=limits.sha256,
        )


def counts_for(figure: Figure, decision: str | None, truth: str | None) -> bool | None:
    """Whether a film is answered rightly as a figure counts; None: it does not count.

    A film that was not answered counts for none: abstentions have a rate of their own.
    """
    if truth is None or decision not in ("positive", "negative"):
        return None
    if figure == "sensitivity":
        return decision == "positive" if truth == "present" else None
    if figure == "specificity":
        return decision == "negative" if truth == "absent" else None
    return truth == "present" if decision == "positive" else None


def figures(films: Sequence[Labelled], limits: RegisteredLimits | None) -> tuple[MonitoredFigure, ...]:
    """The running figures of every bundle and finding.

    Args:
        films: with a verdict, in the order of the first verdict.
        limits: None: there are none.
    """
    return tuple(
        _figure(figure, finding, bundle, trials, limits) for (figure, finding, bundle), trials in _trials(films)
    )


def crossed(figures_now: Iterable[MonitoredFigure]) -> Crossing | None:
    """The first figure whose evidence suffices for a stop; None: there is none."""
    for each in figures_now:
        if each.limit is not None and each.evidence is not None and each.needed is not None:
            if each.figure == "ppv" or each.evidence < each.needed:
                continue
            limit = StopLimit(figure=each.figure, finding=each.finding, at_least=each.limit)
            wrong = each.films - each.right
            return Crossing(limit, each.bundle, each.films, wrong, each.evidence, each.needed)
    return None


def station_rates(counts: Iterable[tuple[str, str, str, str, int]]) -> tuple[StationRates, ...]:
    """Shares of films without an answer, and of unfamiliar ones, by station and device, the most films first."""
    totals: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for station, device, decision, reasons, films in counts:
        total = totals[station, device]
        total[0] += films
        total[1] += films * (decision == "abstain")
        total[2] += films * ("unfamiliar" in json.loads(reasons))
    return tuple(
        StationRates(
            station=station,
            device=device,
            films=films,
            abstained=bernoulli_sequence(abstained, films),
            unfamiliar=bernoulli_sequence(unfamiliar, films),
        )
        for (station, device), (films, abstained, unfamiliar) in sorted(totals.items(), key=lambda item: -item[1][0])
    )


def _trials(films: Sequence[Labelled]) -> Iterator[tuple[tuple[Figure, str, str], list[Trial]]]:
    names = dict.fromkeys((film.bundle, finding) for film in films for finding in film.decisions)
    for bundle, finding in names:
        for figure in FIGURES:
            counted = [
                Trial(right, film.analysed_at, film.verdict_at)
                for film in films
                if film.bundle == bundle
                and (right := counts_for(figure, film.decisions.get(finding), film.truth.get(finding))) is not None
            ]
            yield (figure, finding, bundle), counted


def _figure(
    figure: Figure, finding: str, bundle: str, trials: Sequence[Trial], limits: RegisteredLimits | None
) -> MonitoredFigure:
    right = sum(trial.right for trial in trials)
    recent = trials[-RECENT:]
    limit = None if limits is None else _limit_of(limits, figure, finding)
    return MonitoredFigure(
        figure=figure,
        finding=finding,
        bundle=bundle,
        films=len(trials),
        right=right,
        estimate=bernoulli_sequence(right, len(trials)) if trials else None,
        recent=sum(trial.right for trial in recent) / len(recent) if recent else None,
        limit=None if limit is None else limit.at_least,
        evidence=None if limit is None or limits is None else _evidence(limit, limits, trials),
        needed=None if limit is None or limits is None else needed(limits),
        series=tuple(_series(trials)),
    )


def needed(limits: RegisteredLimits) -> float:
    """The e-value from which the service stops: alpha is shared by the limits (Bonferroni)."""
    return len(limits.limits) / limits.alpha


def _limit_of(limits: RegisteredLimits, figure: Figure, finding: str) -> StopLimit | None:
    return next((each for each in limits.limits if (each.figure, each.finding) == (figure, finding)), None)


def _evidence(limit: StopLimit, limits: RegisteredLimits, trials: Iterable[Trial]) -> float:
    """Of films that were read since the limits were registered: what was known before decides nothing."""
    registered = limits.registered_at.timestamp()
    evidence = HarmEvidence(1 - limit.at_least)
    largest = evidence.value
    for trial in trials:
        if trial.analysed_at >= registered:
            evidence.add(wrong=not trial.right)
            largest = max(largest, evidence.value)
    return largest


def _series(trials: Sequence[Trial]) -> Iterator[SeriesPoint]:
    right = 0
    step = max(1, -(-len(trials) // POINTS))
    last = len(trials)
    for number, trial in enumerate(trials, start=1):
        right += trial.right
        if (last - number) % step == 0:
            at = datetime.fromtimestamp(trial.verdict_at, UTC)
            seen: Estimate = bernoulli_sequence(right, number)
            yield SeriesPoint(films=number, at=at, **dict(seen))
