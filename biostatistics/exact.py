"""Exact bounds of a proportion from the binomial distribution, and how many films a promise takes."""

import math
from functools import cache

import numpy as np

from biostatistics.intervals import estimate
from schemas.estimate import Estimate

_HALVINGS = 60  # of [0, 1]: below the spacing of doubles around a bound
_MOST_FILMS = 10_000_000


def binomial_cdf(successes: int, trials: int, share: float) -> float:
    """The probability of at most `successes` in `trials`, each with probability `share`.

    Raises:
        ValueError: `trials` is under 1, `successes` is outside [0, `trials`], or `share` is outside [0, 1].
    """
    _require(successes, trials, share)
    if successes == trials or share == 0:
        return 1.0
    if share == 1:
        return 0.0
    counts = np.arange(successes + 1)
    logs = np.array([_log_choices(trials, count) for count in counts.tolist()])
    terms = np.exp(logs + counts * math.log(share) + (trials - counts) * math.log1p(-share))
    return min(1.0, math.fsum(terms.tolist()))


def upper_bound(successes: int, trials: int, *, confidence: float = 0.95) -> float:
    """The share that is exceeded with probability 1 - `confidence` at most, whatever the true one is.

    Raises:
        ValueError: see `binomial_cdf`.

    Source: Clopper and Pearson, Biometrika 26 (1934) 404-413; one-sided.
    """
    _require(successes, trials, confidence)
    if successes == trials:
        return 1.0
    low, high = successes / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_cdf(successes, trials, middle) > 1 - confidence else (low, middle)
    return high


def lower_bound(successes: int, trials: int, *, confidence: float = 0.95) -> float:
    """The share that is fallen short of with probability 1 - `confidence` at most; see `upper_bound`.

    Raises:
        ValueError: see `binomial_cdf`.
    """
    return 1 - upper_bound(trials - successes, trials, confidence=confidence)


def exact_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Estimate:
    """Two-sided interval of a proportion that holds the true one with `confidence` at least, whatever it is.

    Raises:
        ValueError: see `binomial_cdf`.

    Source: Clopper and Pearson, Biometrika 26 (1934) 404-413.
    """
    each_side = (1 + confidence) / 2
    return estimate(
        successes / trials,
        lower_bound(successes, trials, confidence=each_side),
        upper_bound(successes, trials, confidence=each_side),
    )


@cache
def most_failures(trials: int, risk: float, *, confidence: float = 0.95) -> int | None:
    """The largest number of failures among `trials` that still promises a share of at most `risk`.

    Returns:
        None where not even no failure would promise it.

    Raises:
        ValueError: see `binomial_cdf`.
    """
    if binomial_cdf(0, trials, risk) > 1 - confidence:
        return None
    low, high = 0, trials  # all of them never promise anything
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if binomial_cdf(middle, trials, risk) <= 1 - confidence else (low, middle)
    return low


def smallest_promise(trials: int, *, confidence: float = 0.95) -> float:
    """The smallest risk that `trials` without a failure promise: .098 of 29.

    Raises:
        ValueError: `trials` is under 1.
    """
    _require(0, trials, confidence)
    return float(1 - (1 - confidence) ** (1 / trials))


def trials_needed(risk: float, *, confidence: float = 0.95) -> int:
    """The smallest number of trials without a failure that promises a share of at most `risk`: 59 for .05.

    Raises:
        ValueError: `risk` is not inside (0, 1), or so small that more than ten million would be needed.
    """
    if not 0 < risk < 1:
        msg = f"a risk of {risk} cannot be promised by any number of films; give one between 0 and 1"
        raise ValueError(msg)
    needed = math.ceil(math.log(1 - confidence) / math.log1p(-risk) - 1e-9)
    if needed > _MOST_FILMS:
        msg = f"a risk of {risk} would take {needed} films; give a larger one"
        raise ValueError(msg)
    return needed


@cache
def _log_choices(trials: int, count: int) -> float:
    return math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)


def _require(successes: int, trials: int, share: float) -> None:
    if trials < 1 or not 0 <= successes <= trials:
        msg = (
            f"{successes} of {trials} is not a proportion; it takes at least one trial and no more successes than "
            "trials"
        )
        raise ValueError(msg)
    if not 0 <= share <= 1:
        msg = f"{share} is not a probability; it lies in [0, 1]"
        raise ValueError(msg)
