"""The curves behind the figures, with bands over resampled patients; it refuses to know how they are drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biostatistics.intervals import RESAMPLES, bootstrap, wilson_interval
from biostatistics.metrics import Weights, equal_bins
from schemas.estimate import Estimate

Array = NDArray[np.float64]

GRID: Array = np.linspace(0, 1, 101)
"""Where bands are computed."""
_TAILS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Band:
    """Pointwise 95 % limits of a curve at the places `GRID`, each [101]."""

    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve through its own points, and its band."""

    x: Array
    y: Array
    band: Band


@dataclass(frozen=True, slots=True)
class Curves:
    """One finding against the rest on one set of films."""

    roc: Curve
    """x: 1 - specificity, y: sensitivity; from (0, 0) to (1, 1)."""
    precision_recall: Curve
    """x: sensitivity (recall), y: PPV (precision); from the strictest threshold on."""
    sensitivity: Curve
    """x: threshold."""
    specificity: Curve
    """x: threshold."""
    prevalence: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Films in bins of equal size by the probability of their label, with the share of right labels in each."""

    confidence: Array  # [B], mean of the bin
    correct: tuple[Estimate, ...]  # B shares with Wilson intervals
    counts: NDArray[np.int64]  # [B]
    films: Array  # [N], the probability of each film's label, ascending


def curves(
    positive: ArrayLike, probability: ArrayLike, patients: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> Curves:
    """ROC, precision-recall and both rates against the threshold, all from the same resamples of the patients.

    Args:
        positive: bool [N], the truth, of both kinds.
        probability: [N] of the finding, calibrated.
        patients: [N], who each film is of.
        resamples: their number.
        seed: of the resamples.

    Source: bands pointwise at fixed false-positive rate, recall or threshold, Fawcett, Pattern Recognition
        Letters 27 (2006) 861-874, ch. 9 (vertical and threshold averaging).
    """
    truth = np.asarray(positive, bool)
    scores = np.asarray(probability, np.float64)

    def at_grid(weights: Weights) -> Array:
        false_rate, true_rate = roc_points(truth, scores, weights)
        recall, precision = precision_recall_points(truth, scores, weights)
        sensitivity, specificity = _rates(truth, scores, weights)
        roc = [np.interp(GRID, x, y) for x, y in zip(false_rate, true_rate, strict=True)]
        pr = [y[np.searchsorted(x, GRID.clip(max=x[-1]))] for x, y in zip(recall, precision, strict=True)]
        return np.concatenate([np.stack(roc), np.stack(pr), sensitivity, specificity], axis=1)

    replicates = bootstrap(at_grid, truth.astype(np.int64), patients=patients, resamples=resamples, seed=seed)
    low, high = (np.split(limit, 4) for limit in np.quantile(replicates, _TAILS, axis=0))
    once = np.ones((1, len(truth)))
    points = (roc_points(truth, scores), precision_recall_points(truth, scores))
    rates = ((GRID, rate[0]) for rate in _rates(truth, scores, once))
    roc, precision_recall, sensitivity, specificity = (
        Curve(x, y, Band(*limits)) for (x, y), *limits in zip((*points, *rates), low, high, strict=True)
    )
    return Curves(roc, precision_recall, sensitivity, specificity, prevalence=float(truth.mean()))


def roc_points(positive: ArrayLike, scores: ArrayLike, weights: Weights | None = None) -> tuple[Array, Array]:
    """False-positive and true-positive rate [..., U + 1] at each of the U distinct scores, from (0, 0) on.

    Args:
        positive: bool [N].
        scores: [N], larger for positive.
        weights: [..., N], how often each film counts.
    """
    true_positives, false_positives = _counts(positive, scores, weights)
    return false_positives / false_positives[..., -1:], true_positives / true_positives[..., -1:]


def precision_recall_points(
    positive: ArrayLike, scores: ArrayLike, weights: Weights | None = None
) -> tuple[Array, Array]:
    """Recall and precision [..., U] at each of the U distinct scores, the largest first.

    Precision is 1 where no film is called positive.
    """
    true_positives, false_positives = (counts[..., 1:] for counts in _counts(positive, scores, weights))
    positives = true_positives + false_positives
    precision = np.divide(true_positives, positives, out=np.ones_like(true_positives), where=positives > 0)
    return true_positives / true_positives[..., -1:], precision


def reliability(correct: ArrayLike, confidence: ArrayLike) -> Reliability:
    """Reliability in the bins of `biostatistics.metrics.ece`, whose value is the films' mean of their gaps.

    Args:
        correct: bool [N], whether the film's label is right.
        confidence: [N], the probability of that label.
    """
    right = np.asarray(correct, bool)
    probabilities = np.asarray(confidence, np.float64)
    order, starts = equal_bins(probabilities)
    counts = np.diff([*starts, len(probabilities)])
    hits = np.add.reduceat(right[order].astype(np.int64), starts)
    shares = tuple(wilson_interval(int(hit), int(count)) for hit, count in zip(hits, counts, strict=True))
    return Reliability(np.add.reduceat(probabilities[order], starts) / counts, shares, counts, probabilities[order])


def _counts(positive: ArrayLike, scores: ArrayLike, weights: Weights | None) -> tuple[Array, Array]:
    """True and false positives [..., U + 1] at each distinct score, 0 first."""
    truth = np.asarray(positive, bool)
    values = np.asarray(scores)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    lasts = np.flatnonzero(np.concatenate((ranked[1:] != ranked[:-1], [True])))
    film_weights = (np.ones(len(truth)) if weights is None else weights)[..., order]
    sums = (np.cumsum(film_weights * kind, axis=-1)[..., lasts] for kind in (truth[order], ~truth[order]))
    true_positives, false_positives = (
        np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1) for total in sums
    )
    return true_positives, false_positives


def _rates(truth: NDArray[np.bool_], scores: Array, weights: Weights) -> tuple[Array, Array]:
    """Sensitivity and specificity [B, 101] at the thresholds `GRID`."""
    above = scores[:, None] >= GRID  # [N, 101]
    positives = weights * truth
    negatives = weights * ~truth
    sensitivity = positives @ above / positives.sum(axis=1, keepdims=True)
    specificity = negatives @ ~above / negatives.sum(axis=1, keepdims=True)
    return sensitivity, specificity
