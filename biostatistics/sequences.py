"""Figures of a stream that is looked at after every film: confidence sequences, and evidence that a limit is crossed.

A fixed-sample interval that is computed again after each film misses the truth almost surely in the end. What is here
holds at every film at once, so that anybody may look at any time and stop.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schemas.estimate import Estimate

_BISECTIONS: Final = 60
_ALTERNATIVES: Final = 12
_EXPECTED_START: Final = 200
"""Labels after which half of the capital has been staked: a change is expected to come as early as late."""
_LARGEST_LOG: Final = 690.0


def bernoulli_sequence(
    successes: int, trials: int, *, alpha: float = 0.05, prior: tuple[float, float] = (1.0, 1.0)
) -> Estimate:
    """Confidence sequence of a proportion: it misses at any number of trials with probability alpha at most.

    The set of all p at which the mixture martingale B(a + s, b + f) / (B(a, b) p^s (1 - p)^f) is below 1 / alpha.

    Args:
        successes: s, of the trials so far.
        trials: s + f, at least 1.
        alpha: in (0, 1).
        prior: a and b of the mixing beta distribution; (1, 1) is the uniform one.

    Raises:
        ValueError: `trials` is 0, or `successes` is outside [0, `trials`].

    Source: Ville (1939); Robbins, Ann. Math. Statist. 41 (1970) 1397-1409; Howard et al., Ann. Stat. 49 (2021)
        1055-1080.
    """
    if trials < 1 or not 0 <= successes <= trials:
        msg = (
            f"{successes} of {trials} is not a proportion; it takes at least one trial and no more successes than that"
        )
        raise ValueError(msg)
    failures = trials - successes
    a, b = prior
    mixture = _log_beta(a + successes, b + failures) - _log_beta(a, b)

    def excluded(p: float) -> bool:
        return mixture - _xlogy(successes, p) - _xlogy(failures, 1 - p) >= -math.log(alpha)

    value = successes / trials
    low = 0.0 if successes == 0 else _edge(excluded, 0.0, value)
    high = 1.0 if failures == 0 else _edge(excluded, 1.0, value)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


@dataclass(slots=True)
class HarmEvidence:
    """Evidence that answers are wrong more often than is allowed, at whatever film the change came.

    An e-process: while the chance of a wrong answer, given all films before, is at most `allowed`, the expectation of
    `value` is at most 1 at every stopping time. Hence the probability that it ever reaches 1 / alpha is at most alpha
    (Ville's inequality). That is the rule "stop when the lower bound of a one-sided 1 - alpha confidence sequence of
    the rate of wrong answers lies above `allowed`", for such a bound is the set of limits that are not refuted.

    A capital of 1 bets against the limit. Before film t the share c / ((t + c - 1)(t + c)) of it is staked for the
    first time, in equal parts on rates above the limit; a stake is multiplied by the likelihood ratio of each film
    that follows. What is staked near the change grows, and what was lost before it is bounded, so that a change is
    found about as fast after a thousand good films as at the beginning, up to a logarithm.

    Source: Ville (1939); Shafer, JRSS A 184 (2021) 407-431 (betting); Shin, Ramdas and Rinaldo, New Engl. J. Stat.
        Data Sci. 2 (2024) 229-260 (e-detectors, mixtures over the time of the change).
    """

    allowed: float
    """The largest rate of wrong answers that is in order, in (0, 1)."""
    films: int = 0
    _stakes: NDArray[np.float64] = field(init=False)
    _right: NDArray[np.float64] = field(init=False)
    _wrong: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        if not 0 < self.allowed < 1:
            msg = f"{self.allowed} is not a rate that can be crossed; give one between 0 and 1"
            raise ValueError(msg)
        rates = alternatives(self.allowed)
        self._wrong = np.log(rates / self.allowed)
        self._right = np.log((1 - rates) / (1 - self.allowed))
        self._stakes = np.full(len(rates), -np.inf)

    def add(self, *, wrong: bool) -> None:
        """Count one more film."""
        self.films += 1
        fresh = math.log(_first_stake(self.films) / len(self._stakes))
        self._stakes = np.logaddexp(self._stakes, fresh) + (self._wrong if wrong else self._right)

    @property
    def value(self) -> float:
        """The e-value, at least 0; 1 before the first film; no more than e^690 is stated."""
        staked = float(np.logaddexp.reduce(self._stakes)) if self.films else -math.inf
        return math.exp(min(staked, _LARGEST_LOG)) + _unstaked(self.films)


def harm_evidence(wrong: ArrayLike, allowed: float) -> NDArray[np.float64]:
    """The e-value of `HarmEvidence` after each film of many streams.

    Args:
        wrong: bool [N, T], N streams of T films: whether each was answered wrongly.
        allowed: see `HarmEvidence`.

    Returns:
        float [N, T].
    """
    streams = np.asarray(wrong, bool)
    rates = alternatives(allowed)
    gains = np.stack([np.log((1 - rates) / (1 - allowed)), np.log(rates / allowed)])  # [2, G]: right, wrong
    stakes = np.full((len(streams), len(rates)), -np.inf)
    values = np.empty(streams.shape)
    for film in range(streams.shape[1]):
        fresh = math.log(_first_stake(film + 1) / len(rates))
        stakes = np.logaddexp(stakes, fresh) + gains[streams[:, film].astype(int)]
        values[:, film] = np.exp(np.minimum(np.logaddexp.reduce(stakes, axis=1), _LARGEST_LOG)) + _unstaked(film + 1)
    return values


def alternatives(allowed: float) -> NDArray[np.float64]:
    """Rates above `allowed` that are bet on, [G]: evenly spread in log odds, from twice its odds to those of 0.6.

    Where 0.6 is less than six times the odds of `allowed`, up to six times its odds instead.
    """
    odds = allowed / (1 - allowed)
    spread = np.geomspace(2 * odds, max(1.5, 6 * odds), _ALTERNATIVES)
    rates: NDArray[np.float64] = spread / (1 + spread)
    return rates


def _first_stake(film: int) -> float:
    return _unstaked(film - 1) - _unstaked(film)


def _unstaked(films: int) -> float:
    return _EXPECTED_START / (films + _EXPECTED_START)


def _edge(excluded: Callable[[float], bool], outside: float, inside: float) -> float:
    """The last p towards `outside` that is not excluded; what is excluded lies beyond one edge on either side."""
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2
        if excluded(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _xlogy(count: float, p: float) -> float:
    if count == 0:
        return 0.0
    return -math.inf if p <= 0 else count * math.log(p)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
