"""Figures of merit of probabilities and labels, for the films as they are and for many resamples of them at once.

Every function takes `weights` [..., N], how often each film counts; without them each counts once. The last axis is
summed away: one definition gives the figure and its bootstrap distribution.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Figures = NDArray[np.float64]  # [...]: a scalar without weights, one for each resample with them
Weights = NDArray[np.float64]  # [..., N]
ECE_BINS = 15
_TINY = np.finfo(np.float64).tiny


def auroc(positive: ArrayLike, scores: ArrayLike, weights: Weights | None = None) -> Figures:
    """Area under the ROC curve: how often a positive film scores above a negative one, ties counting half.

    Args:
        positive: bool [N], the truth.
        scores: [N], larger for positive.
        weights: [..., N].

    Raises:
        ValueError: no positive or no negative film.
    """
    truth, order, starts = _ranking(positive, scores)
    counted = _counted(weights, len(truth))[..., order]
    positives = np.add.reduceat(counted * truth, starts, axis=-1)  # [..., U], at each distinct score
    negatives = np.add.reduceat(counted * ~truth, starts, axis=-1)
    below = np.cumsum(negatives, axis=-1) - negatives
    wins = (positives * (below + negatives / 2)).sum(axis=-1)
    area: Figures = wins / (positives.sum(axis=-1) * negatives.sum(axis=-1))
    return area


def auprc(positive: ArrayLike, scores: ArrayLike, weights: Weights | None = None) -> Figures:
    """Average precision: precision at each distinct score, weighted by the positives found there.

    Args:
        positive: bool [N], the truth.
        scores: [N], larger for positive.
        weights: [..., N].

    Raises:
        ValueError: no positive or no negative film.
    """
    truth, order, starts = _ranking(positive, scores)
    counted = _counted(weights, len(truth))[..., order]
    positives = np.add.reduceat(counted * truth, starts, axis=-1)[..., ::-1]  # from the largest score down
    called = np.cumsum(np.add.reduceat(counted, starts, axis=-1)[..., ::-1], axis=-1)
    # A resample may lack the films with the largest scores: nothing is called there, and nothing found.
    precision = np.cumsum(positives, axis=-1) / np.maximum(called, _TINY)
    area: Figures = (precision * positives).sum(axis=-1) / positives.sum(axis=-1)
    return area


def macro_auroc(truth: ArrayLike, probabilities: ArrayLike, weights: Weights | None = None) -> Figures:
    """Area under the ROC curve, averaged over each class against the rest; that of the second class for two.

    Args:
        truth: int [N].
        probabilities: [N, K].
        weights: [..., N].
    """
    index = np.asarray(truth)
    rows = np.asarray(probabilities)
    if rows.shape[1] == 2:  # noqa: PLR2004 - one class against the other
        return auroc(index == 1, rows[:, 1], weights)
    areas = np.stack([auroc(index == k, rows[:, k], weights) for k in range(rows.shape[1])])
    mean: Figures = areas.mean(axis=0)
    return mean


def findings_auroc(truth: ArrayLike, scores: ArrayLike, weights: Weights | None = None) -> Figures:
    """Area under the ROC curve, averaged over findings that are judged each by itself, each on films where it is known.

    Args:
        truth: [N, K], 1 present, 0 absent, anything else: not known.
        scores: [N, K], larger for present.
        weights: [..., N].

    Raises:
        ValueError: a finding without a film that has it, or without one that has it not.
    """
    labels = np.asarray(truth)
    rows = np.asarray(scores)
    areas = []
    for finding in range(rows.shape[1]):
        known = certain(labels[:, finding])
        counted = None if weights is None else weights[..., known]
        areas.append(auroc(labels[known, finding] == 1, rows[known, finding], counted))
    mean: Figures = np.stack(areas).mean(axis=0)
    return mean


def certain(truth: ArrayLike) -> NDArray[np.bool_]:
    """Where findings are known to be present (1) or absent (0): no figure counts what is uncertain or unknown."""
    labels = np.asarray(truth)
    known: NDArray[np.bool_] = (labels == 0) | (labels == 1)
    return known


def brier(truth: ArrayLike, probabilities: ArrayLike, weights: Weights | None = None) -> Figures:
    """Mean squared distance of the probabilities to the truth, halved: in [0, 1], for two classes (p - y)^2.

    Source: Brier, Monthly Weather Review 78 (1950) 1-3, whose score is twice this.
    """
    rows = np.asarray(probabilities, np.float64)
    distance = ((rows - np.eye(rows.shape[1])[np.asarray(truth)]) ** 2).sum(axis=1) / 2
    counted = _counted(weights, len(distance))
    score: Figures = counted @ distance / counted.sum(axis=-1)
    return score


def ece(correct: ArrayLike, confidence: ArrayLike, weights: Weights | None = None, *, bins: int = ECE_BINS) -> Figures:
    """Expected calibration error: the gap between confidence and share correct, averaged over equally large bins.

    Args:
        correct: bool [..., N], whether the film's label is right.
        confidence: [N], the probability of that label.
        weights: [..., N].
        bins: at most N are used.

    Source: Nguyen and O'Connor, EMNLP 2015, 1587-1598 (bins by quantile).
    """
    sure = np.asarray(confidence, np.float64)
    gaps = sure - np.asarray(correct, bool)
    counted = _counted(weights, len(sure))
    order, starts = equal_bins(sure, bins)
    off = np.abs(np.add.reduceat((counted * gaps)[..., order], starts, axis=-1)).sum(axis=-1)
    error: Figures = off / counted.sum(axis=-1)
    return error


def equal_bins(values: ArrayLike, bins: int = ECE_BINS) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order that sorts values [N], and where in it each of at most `bins` bins of equally many begins."""
    order = np.argsort(np.asarray(values), kind="stable")
    used = min(bins, len(order))
    return order, np.unique(np.arange(used) * len(order) // used)


def confusion(truth: ArrayLike, label: ArrayLike, classes: int, weights: Weights | None = None) -> Figures:
    """Counts [..., K, K] of films by truth (row) and label (column).

    Args:
        truth: int [N].
        label: int [N].
        classes: K.
        weights: [..., N].
    """
    cell = np.asarray(truth) * classes + np.asarray(label)
    counted = _counted(weights, len(cell))
    counts: Figures = counted @ np.eye(classes * classes)[cell]
    square: Figures = counts.reshape(*counted.shape[:-1], classes, classes)
    return square


def f1(counts: Figures) -> Figures:
    """Harmonic mean of precision and recall of each class, [..., K]; 0 for a class that is never labelled nor true."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    scores: Figures = 2 * hits / np.maximum(both, _TINY)
    return scores


def mcc(counts: Figures) -> Figures:
    """Matthews correlation of truth and label; 0 where either is constant.

    Source: Gorodkin, Comput. Biol. Chem. 28 (2004) 367-374 (more than two classes).
    """
    total = counts.sum(axis=(-2, -1))
    true = counts.sum(axis=-1)
    given = counts.sum(axis=-2)
    hits = np.trace(counts, axis1=-2, axis2=-1)
    covariance = hits * total - (true * given).sum(axis=-1)
    spread = np.sqrt((total**2 - (true**2).sum(axis=-1)) * (total**2 - (given**2).sum(axis=-1)))
    correlation: Figures = np.divide(covariance, spread, out=np.zeros_like(total), where=spread > 0)
    return correlation


def _ranking(positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]:
    """Truth by ascending score, the order that sorts, and where each distinct score starts."""
    truth = np.asarray(positive, bool)
    values = np.asarray(scores)
    if truth.all() or not truth.any():
        msg = f"of {truth.size} films {truth.sum()} are positive; a ranking needs positive and negative films"
        raise ValueError(msg)
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    return truth[order], order, starts


def _counted(weights: Weights | None, films: int) -> Weights:
    return np.ones(films) if weights is None else weights
