"""Areas under the ROC curve compared with their sampling error, the films of a patient taken together."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biostatistics.intervals import estimate, normal_quantile, patient_groups
from schemas.estimate import Estimate
from schemas.model.evaluation import Comparison


def delong_interval(
    positive: ArrayLike, scores: ArrayLike, *, patients: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """Interval of the area under the ROC curve, on the logit scale, with the films of a patient taken together.

    Where no pair is out of order, or all, or one patient holds all of a class, the films show no variance:
    then Newcombe's interval, of the numbers of patients.

    Args:
        positive: bool [N], the truth.
        scores: [N].
        patients: [N], who each film is of; None: each film is of another patient.
        confidence: of the interval.

    Raises:
        ValueError: no positive or no negative film.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; clusters: Obuchowski, Biometrics 53 (1997)
        567-578; ranks: Sun and Xu, IEEE Signal Process. Lett. 21 (2014) 1389-1393.
    """
    truth, groups = _truth_and_groups(positive, patients)
    areas, covariance = _delong(truth, np.asarray(scores, np.float64)[None], groups)
    area = float(areas[0])
    variance = float(covariance[0, 0])
    sizes = [len(np.unique(groups[side])) for side in (truth, ~truth)]
    if variance <= 0 or not 0 < area < 1 or min(sizes) == 1:
        return newcombe_interval(area, sizes[0], sizes[1], confidence=confidence)
    logit = math.log(area / (1 - area))
    half = normal_quantile(confidence) * math.sqrt(variance) / (area * (1 - area))
    return estimate(area, *((1 + math.tanh(end / 2)) / 2 for end in (logit - half, logit + half)))


def newcombe_interval(area: float, positives: int, negatives: int, *, confidence: float = 0.95) -> Estimate:
    """Interval of an area under the ROC curve from the counts alone, sound where the area is 0 or 1.

    Source: Newcombe, Stat. Med. 25 (2006) 559-573, method 5.
    """
    size = (positives + negatives) / 2
    z = normal_quantile(confidence)

    def outside(true: float) -> bool:
        shape = 2 * size - 1 - 3 * (size - 1) / ((2 - true) * (1 + true))
        return (area - true) ** 2 > z**2 * true * (1 - true) * shape / (positives * negatives)

    limits = []
    for end in (0.0, 1.0):
        inner = area
        outer = end
        for _ in range(60):
            middle = (inner + outer) / 2
            inner, outer = (inner, middle) if outside(middle) else (middle, outer)
        limits.append(inner)
    return estimate(area, *limits)


def delong_test(
    positive: ArrayLike, first: ArrayLike, second: ArrayLike, *, patients: ArrayLike | None = None
) -> Comparison:
    """The first network's area under the ROC curve minus the second's, on the same films.

    Args:
        positive: bool [N], the truth.
        first: [N], scores of one network.
        second: [N], scores of the other.
        patients: as for `delong_interval`.

    Raises:
        ValueError: no positive or no negative film.

    Source: as for `delong_interval`.
    """
    truth, groups = _truth_and_groups(positive, patients)
    areas, covariance = _delong(truth, np.stack([np.asarray(first), np.asarray(second)]).astype(np.float64), groups)
    difference = float(areas[0] - areas[1])
    error = math.sqrt(max(0.0, float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])))
    half = normal_quantile(0.95) * error
    p_value = math.erfc(abs(difference) / error / math.sqrt(2)) if error else float(difference == 0)
    return Comparison(difference=estimate(difference, difference - half, difference + half), p_value=p_value)


def _truth_and_groups(positive: ArrayLike, patients: ArrayLike | None) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    truth = np.asarray(positive, bool)
    if truth.all() or not truth.any():
        msg = f"of {truth.size} films {truth.sum()} are positive; a ROC curve needs positive and negative films"
        raise ValueError(msg)
    return truth, patient_groups(patients, truth.size)


def _delong(
    truth: NDArray[np.bool_], scores: NDArray[np.float64], groups: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas [E] of the rows of scores [E, N], and their covariance [E, E]."""
    count = groups.max() + 1
    areas = []
    influences = []
    for row in scores:
        placements = np.where(truth, _below(row[~truth], row), 1 - _below(row[truth], row))
        area = placements[truth].mean()
        areas.append(area)
        # What each patient's films contribute to the error of the area: as positives, and as negatives.
        influences.append(
            [np.bincount(groups[side], (placements[side] - area) / side.sum(), count) for side in (truth, ~truth)]
        )
    parts = np.array(influences)  # [E, 2, patients]
    present = [len(np.unique(groups[side])) for side in (truth, ~truth)]
    factors = np.sqrt([size / max(1, size - 1) for size in present])
    own = np.einsum("esp,fsp,s->ef", parts, parts, factors**2)
    cross = np.einsum("ep,fp->ef", parts[:, 0], parts[:, 1]) * count / max(1, count - 1)
    return np.array(areas), own + cross + cross.T


def _below(reference: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of `reference` below each value, ties counting half."""
    ranked = np.sort(reference)
    both = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    share: NDArray[np.float64] = both / (2 * len(ranked))
    return share
