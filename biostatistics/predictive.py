"""Predictive values at another prevalence than that of the films."""

import math
from typing import NamedTuple

from biostatistics.intervals import estimate, normal_quantile
from schemas.estimate import Estimate


class PredictiveValues(NamedTuple):
    """Of a test at one prevalence."""

    ppv: Estimate
    npv: Estimate


class Confusion(NamedTuple):
    """Films by truth and answer."""

    hits: int
    """With the finding, called."""
    misses: int
    false_alarms: int
    rejections: int
    """Without the finding, not called."""


def predictive_values(counts: Confusion, prevalence: float, *, confidence: float = 0.95) -> PredictiveValues:
    """Positive and negative predictive value by Bayes' rule, with intervals on the logit scale.

    Where a count is 0, half a film and the matching share of the others are added, as the variance would not exist.

    Args:
        counts: films of both kinds, at least one each.
        prevalence: in (0, 1).
        confidence: of the intervals.

    Raises:
        ValueError: no film of a kind, or the prevalence is not inside (0, 1).

    Source: Mercaldo, Lau and Zhou, Stat. Med. 26 (2007) 2170-2183 (logit intervals, adjusted where a count is 0).
    """
    ill, well = counts.hits + counts.misses, counts.false_alarms + counts.rejections
    if not (ill and well and 0 < prevalence < 1):
        msg = (
            f"{ill} films with the finding, {well} without it and a prevalence of {prevalence} have no predictive "
            "values; it takes both kinds of films and a prevalence between 0 and 1"
        )
        raise ValueError(msg)
    half = normal_quantile(confidence) ** 2 / 2 if 0 in counts else 0.0
    sizes = (ill + 2 * half, well + 2 * half)
    sensitivity = (counts.hits + half) / sizes[0]
    specificity = (counts.rejections + half) / sizes[1]
    odds = prevalence / (1 - prevalence)
    spread = normal_quantile(confidence)
    ppv, npv = (
        _limits(sensitivity, 1 - specificity, odds, sizes, spread),
        _limits(specificity, 1 - sensitivity, 1 / odds, sizes[::-1], spread),
    )
    return PredictiveValues(
        estimate(_share(counts.hits / ill * prevalence, counts.false_alarms / well * (1 - prevalence)), *ppv),
        estimate(_share(counts.rejections / well * (1 - prevalence), counts.misses / ill * prevalence), *npv),
    )


def _share(right: float, wrong: float) -> float:
    """Of the answers of one kind those that are right; 0 where there is none."""
    return right / (right + wrong) if right + wrong else 0.0


def _limits(share: float, other: float, odds: float, sizes: tuple[float, float], spread: float) -> tuple[float, float]:
    """Of a predictive value, from the shares of the two kinds of films that get its answer."""
    logit = math.log(share / other) + math.log(odds)
    half = spread * math.sqrt((1 - share) / share / sizes[0] + (1 - other) / other / sizes[1])
    return 1 / (1 + math.exp(half - logit)), 1 / (1 + math.exp(-half - logit))
