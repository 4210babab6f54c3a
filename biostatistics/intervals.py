"""Confidence intervals of proportions, of means, and of any figure that can be recomputed on resampled patients."""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biostatistics.metrics import ece
from schemas.estimate import Estimate

RESAMPLES = 2000

_TAILS = (0.025, 0.975)
_BLOCK = 2_000_000  # films times resamples that are held at once: 16 MB an array


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Estimate:
    """Score interval of a proportion, sound for small counts and near 0 or 1.

    Raises:
        ValueError: `trials` is 0 (the proportion is undefined, not 0), or
            `successes` is outside [0, `trials`].

    Source: Wilson, JASA 22 (1927) 209-212; advised for diagnostic accuracy by
        Newcombe, Stat. Med. 17 (1998) 857-872.
    """
    if trials < 1 or not 0 <= successes <= trials:
        msg = (
            f"{successes} of {trials} is not a proportion; it takes at least one trial and no more successes than "
            "trials"
        )
        raise ValueError(msg)
    share = successes / trials
    z = normal_quantile(confidence)
    center = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return estimate(share, max(0.0, center - half), min(1.0, center + half))


def mean_interval(parts: Sequence[Estimate]) -> Estimate:
    """Interval of the mean of independent figures, from theirs.

    Source: Zou and Donner, Stat. Med. 27 (2008) 1693-1702 (MOVER); Newcombe, Stat. Med. 17 (1998) 873-890, method 10.
    """
    value = math.fsum(part.value for part in parts) / len(parts)
    down, up = (
        math.hypot(*(getattr(part, end) - part.value for part in parts)) / len(parts) for end in ("low", "high")
    )
    return estimate(value, value - down, value + up)


def bootstrap(
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    labels: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Recompute figures on resampled patients; the number of patients of each class stays as it is.

    Args:
        statistics: of weights [B, N], how often each film counts, to figures [B, M].
        labels: int [N], the truth.
        patients: [N], who each film is of; None: each film is of another patient.
        resamples: how many.
        seed: the same seed gives the same resamples.

    Returns:
        [resamples, M].
    """
    blocks = [statistics(weights) for weights in _resampled(np.asarray(labels), patients, resamples, seed)]
    return np.concatenate(blocks)


def bayesian_bootstrap(
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    films: int,
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Recompute figures of findings, of which a film may have several, on reweighted patients.

    Each patient has an exponential weight instead of a whole count: no resample lacks the patients of a rare finding,
    whose figures would then not exist, and there are no classes of patients to keep apart.

    Args:
        statistics: of weights [B, N], how much each film counts, to figures [B, M].
        films: N.
        patients: [N], who each film is of; None: each film is of another patient.
        resamples: how many.
        seed: the same seed gives the same weights.

    Returns:
        [resamples, M].

    Source: Rubin, Ann. Stat. 9 (1981) 130-134.
    """
    groups = patient_groups(patients, films)
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // films)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    return np.concatenate(
        [statistics(random.standard_exponential((size, groups.max() + 1))[:, groups]) for size in sizes]
    )


def percentile_interval(value: float, replicates: NDArray[np.float64]) -> Estimate:
    """95 % interval between the quantiles of a figure's bootstrap replicates [B].

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13.
    """
    low, high = np.quantile(replicates, _TAILS)
    return estimate(value, float(low), float(high))


def ece_interval(
    correct: ArrayLike, confidence: ArrayLike, replicates: NDArray[np.float64], *, seed: int = 0
) -> Estimate:
    """95 % interval of an expected calibration error, which sampling biases upwards.

    The bootstrap replicates carry that bias once more, so their quantiles are reflected in the figure; and
    where labels drawn from the probabilities themselves would often show as large an error, the interval
    begins at 0. Simulated with 200 to 1,000 films and true errors of 0 to 0.1 it holds the truth in
    85 to 98 % of the samples, the percentile interval in 0 to 95 %.

    Args:
        correct: bool [N], whether the film's label is right.
        confidence: [N], the probability of that label.
        replicates: [B], the error on resamples.
        seed: of the labels drawn.

    Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), ch. 5.2 (basic interval);
        Bröcker and Smith, Weather and Forecasting 22 (2007) 651-661 (labels drawn from the probabilities).
    """
    value = float(ece(correct, confidence))
    sure = np.asarray(confidence, np.float64)
    low, high = np.quantile(replicates, _TAILS)
    drawn = np.random.default_rng(seed).random((len(replicates), len(sure))) < sure
    consistent = value <= np.quantile(ece(drawn, sure), _TAILS[1])
    return estimate(value, 0.0 if consistent else max(0.0, 2 * value - float(high)), 2 * value - float(low))


def estimate(value: float, low: float, high: float) -> Estimate:
    """A figure with its limits, put right where rounding or skewed resamples leave the figure outside them."""
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def normal_quantile(confidence: float) -> float:
    """Standard deviations either way that hold `confidence` of a normal distribution: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def patient_groups(patients: ArrayLike | None, films: int) -> NDArray[np.intp]:
    """The number of each film's patient, from 0; without patients each film is of another one."""
    return np.arange(films) if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]


def _resampled(
    labels: NDArray[np.int64], patients: ArrayLike | None, resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Blocks of weights [B, N]."""
    groups = patient_groups(patients, len(labels))
    classes = np.zeros((groups.max() + 1, labels.max() + 1), bool)
    classes[groups, labels] = True
    strata = np.unique(classes, axis=0, return_inverse=True)[1].ravel()
    members = [np.flatnonzero(strata == stratum) for stratum in range(strata.max() + 1)]
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(labels))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        counts = np.zeros((rows, len(strata)))
        for patients_of_stratum in members:
            size = len(patients_of_stratum)
            drawn = random.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
            counts[:, patients_of_stratum] = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        yield counts[:, groups]


def mean_estimate(values: NDArray[np.float64], *, patients: ArrayLike | None = None) -> Estimate:
    """The mean of films' values [N], with its percentile interval over resampled patients [N] (None: all differ)."""
    replicates = bootstrap(
        lambda weights: (weights @ values / weights.sum(axis=1))[:, None],
        np.zeros(len(values), np.int64),
        patients=patients,
    )
    return percentile_interval(float(values.mean()), replicates[:, 0])
