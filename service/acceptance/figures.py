"""Every figure of a site's own films, each with its interval, its limit and what the model card states."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from biostatistics.calibration import calibration_bands
from biostatistics.delong import delong_interval
from biostatistics.intervals import bootstrap, ece_interval, wilson_interval
from biostatistics.metrics import ece
from biostatistics.predictive import Confusion, predictive_values
from schemas.acceptance import AbstentionCount, AcceptanceFigure, FigureName, RecordedLimits
from schemas.api import AbstentionReason
from schemas.estimate import Estimate
from schemas.model.evaluation import Evaluation, ProbabilityBand
from service.acceptance.observed import Observed
from service.acceptance.verdict import outcome

TITLES: Final[Mapping[FigureName, str]] = {
    "sensitivity": "Sensitivity of the answers given",
    "specificity": "Specificity of the answers given",
    "ppv": "Positive predictive value at the films' prevalence",
    "npv": "Negative predictive value at the films' prevalence",
    "ppv_at_stated_prevalence": "Positive predictive value at the stated prevalence",
    "npv_at_stated_prevalence": "Negative predictive value at the stated prevalence",
    "missed": "Films with the finding answered negative, answered or not",
    "false_alarms": "Films without the finding answered positive, answered or not",
    "answered": "Films answered",
    "unfamiliar": "Films unlike those of training",
    "auroc": "Area under the ROC curve, all films",
    "ece": "Calibration error (ECE) of the label's probability",
}
KINDS: Final[Mapping[FigureName, str]] = {
    "sensitivity": "answered films with the finding",
    "specificity": "answered films without the finding",
    "ppv": "films answered positive",
    "npv": "films answered negative",
    "ppv_at_stated_prevalence": "answered films",
    "npv_at_stated_prevalence": "answered films",
    "missed": "films with the finding",
    "false_alarms": "films without the finding",
    "answered": "films",
    "unfamiliar": "films",
    "auroc": "films",
    "ece": "films",
}
"""Which films a figure rests on."""


@dataclass(frozen=True)
class FilmTable:
    """N labelled films with their answers, counted once."""

    films: Sequence[Observed]
    threshold: float
    """Of the finding's probability."""

    @cached_property
    def cells(self) -> Counter[tuple[bool, str]]:
        """Films by truth and decision."""
        return Counter((film.truth, film.decision) for film in self.films)

    @cached_property
    def confusion(self) -> Confusion:
        """Of the answered films."""
        cells = self.cells
        return Confusion(
            hits=cells[True, "positive"],
            misses=cells[True, "negative"],
            false_alarms=cells[False, "positive"],
            rejections=cells[False, "negative"],
        )

    @property
    def with_finding(self) -> int:
        """Films with the finding."""
        return sum(film.truth for film in self.films)

    @property
    def answered(self) -> int:
        """Films with a decision."""
        return sum(self.confusion)

    def bands(self) -> tuple[ProbabilityBand, ...]:
        """Calibration of the finding's probability."""
        return tuple(calibration_bands([f.truth for f in self.films], [f.probability for f in self.films]))

    def abstentions(self) -> tuple[AbstentionCount, ...]:
        """Films that are not answered, for each reason that occurs."""
        counted = Counter((reason, film.truth) for film in self.films for reason in film.reasons)
        return tuple(
            AbstentionCount(
                reason=reason, films=counted[reason, True] + counted[reason, False], with_finding=counted[reason, True]
            )
            for reason in get_args(AbstentionReason)
            if counted[reason, True] + counted[reason, False]
        )


def figures(
    table: FilmTable, limits: RecordedLimits, card: Evaluation | None, finding: str
) -> tuple[AcceptanceFigure, ...]:
    """All figures, in the order of `TITLES`.

    Args:
        table: at least one film.
        limits: with the stated prevalence.
        card: what the bundle states of films that it was not trained on; None: nothing.
        finding: of the labels.
    """
    measured = {**_proportions(table), **_ranked(table), **_predicted(table, limits.stated_prevalence)}
    stated = {} if card is None else _stated(card, finding)
    rows = []
    for name, title in TITLES.items():
        if name not in measured:
            continue
        value, hits, films = measured[name]
        limit = limits.limits.get(name)
        rows.append(
            AcceptanceFigure(
                name=name,
                title=title,
                estimate=value,
                hits=hits,
                films=films,
                limit=limit,
                outcome=None if limit is None else outcome(value, limit),
                card=stated.get(name),
            )
        )
    return tuple(rows)


_Measured = tuple[Estimate | None, int | None, int]
"""The figure, its numerator where it is a proportion, and the films that it rests on."""


def _proportions(table: FilmTable) -> dict[FigureName, _Measured]:
    cells = table.confusion
    ill = table.with_finding
    count = len(table.films)
    unfamiliar = sum(film.familiar is False for film in table.films)
    counts: dict[FigureName, tuple[int, int]] = {
        "sensitivity": (cells.hits, cells.hits + cells.misses),
        "specificity": (cells.rejections, cells.rejections + cells.false_alarms),
        "ppv": (cells.hits, cells.hits + cells.false_alarms),
        "npv": (cells.rejections, cells.rejections + cells.misses),
        "missed": (cells.misses, ill),
        "false_alarms": (cells.false_alarms, count - ill),
        "answered": (table.answered, count),
        "unfamiliar": (unfamiliar, count),
    }
    return {name: (share(*pair), *pair) for name, pair in counts.items()}


def share(hits: int, films: int) -> Estimate | None:
    """A proportion; None of no films."""
    return wilson_interval(hits, films) if films else None


def _ranked(table: FilmTable) -> dict[FigureName, _Measured]:
    truth = np.array([film.truth for film in table.films], bool)
    scores = np.array([film.log_odds for film in table.films])
    probability = np.array([film.probability for film in table.films])
    count = len(truth)
    area = delong_interval(truth, scores) if 0 < truth.sum() < count else None
    called = probability >= table.threshold
    correct, confidence = called == truth, np.where(called, probability, 1 - probability)

    def resampled(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return ece(correct, confidence, weights)[:, None]

    replicates = bootstrap(resampled, truth.astype(np.int64))[:, 0]
    return {"auroc": (area, None, count), "ece": (ece_interval(correct, confidence, replicates), None, count)}


def _predicted(table: FilmTable, prevalence: float | None) -> dict[FigureName, _Measured]:
    if prevalence is None:
        return {}
    names: tuple[FigureName, FigureName] = ("ppv_at_stated_prevalence", "npv_at_stated_prevalence")
    try:
        values: tuple[Estimate | None, ...] = predictive_values(table.confusion, prevalence)
    except ValueError:  # no answered film of a kind, or a prevalence of 0 or 1
        values = (None, None)
    return {name: (value, None, table.answered) for name, value in zip(names, values, strict=True)}


def _stated(card: Evaluation, finding: str) -> dict[FigureName, Estimate]:
    """The card judges the label of every film; a site judges the answers given."""
    row = next((row for row in card.findings if row.finding == finding), None)
    stated: dict[FigureName, Estimate | None] = {
        "auroc": card.class_auroc.get(finding),
        "ece": card.ece,
        "sensitivity": None if row is None else row.sensitivity,
        "specificity": None if row is None else row.specificity,
    }
    return {name: value for name, value in stated.items() if value is not None}
