"""Comparing the films of a service with the validation films: signals, bins, and the index of their difference."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import log, nan, sqrt
from statistics import NormalDist
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from schemas.record import Record

INPUT_SIGNALS: Final = ("mean", "contrast", "border")
"""Fields of `imaging.quality.InputStatistics`."""

FEWEST_FILMS: Final = 50
"""No index is computed for fewer: a bin of a tenth would hold fewer than five films."""

FALSE_ALARM: Final = 1e-5
"""How often chance alone passes the limit, at one moment and in one signal. Over 5,000 films, four signals and
overlapping windows that are some thousand chances: a false alarm in about a hundred such streams."""

DEPENDENCE: Final = 1.5
"""Films of one patient, one morning, one machine are alike: their shares scatter as those of fewer films do.

Without it, streams drawn from 390 held-out films raise false alarms (docs/results/drift.md).

Source: Kish, Survey Sampling (1965), design effect.
"""

NEGLIGIBLE: Final = 0.1
"""Below it a shift is called small by custom, however certain it is: Siddiqi, Credit Risk Scorecards (2006)."""


class SignalReference(Record):
    """Where the values of one signal lie for the validation films.

    B bins: up to the first edge, between two neighbours (the upper one included), above the last.
    """

    edges: tuple[float, ...] = Field(min_length=1, description="B - 1, ascending")
    counts: tuple[Annotated[int, Field(ge=0)], ...] = Field(description="validation films in each of the B bins")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(low >= high for low, high in pairwise(self.edges)):
            msg = "the edges of a drift reference must ascend"
            raise ValueError(msg)
        if len(self.counts) != len(self.edges) + 1 or sum(self.counts) < FEWEST_FILMS:
            msg = f"{len(self.edges)} edges need {len(self.edges) + 1} counts of {FEWEST_FILMS} films or more together"
            raise ValueError(msg)
        return self

    @property
    def films(self) -> int:
        """Number of validation films."""
        return sum(self.counts)

    def bin_of(self, value: float) -> int:
        """The bin of a value, from 0 to B - 1."""
        return bisect_left(self.edges, value)


class DriftReference(Record):
    """What a service needs to notice that its films differ from those of validation."""

    data: str = Field(description="the films, e.g. 'validation: 780 films of 601 patients'")
    signals: dict[str, SignalReference] = Field(description="those of `signal_names`")


def signal_names(findings: Iterable[str]) -> tuple[str, ...]:
    """The signals of a bundle with these findings: the network's inputs and its probabilities."""
    return (*INPUT_SIGNALS, *(f"probability:{finding}" for finding in findings))


def film_signals(
    statistics: Mapping[str, float], probabilities: Mapping[str, float], findings: Iterable[str]
) -> dict[str, float]:
    """The signals of one film.

    Args:
        statistics: `INPUT_SIGNALS` of its network input.
        probabilities: calibrated, by class.
        findings: all classes but the negative one, whose probability is what the others leave.
    """
    outputs = {f"probability:{finding}": probabilities[finding] for finding in findings}
    return {**{name: statistics[name] for name in INPUT_SIGNALS}, **outputs}


def population_stability_index(expected: Sequence[int], observed: Sequence[int]) -> float:
    """How far the shares of two samples in the same bins lie apart; 0 where they agree.

    Half a film is added to every bin (Jeffreys' prior): an empty bin of a small window is not infinitely unlikely.

    Args:
        expected: films of the reference in each bin.
        observed: films of the window in each bin.

    Source: Siddiqi, Credit Risk Scorecards (2006); it is Jeffreys' divergence of the two distributions.
    """
    films = (sum(expected), sum(observed))
    bins = len(expected)
    index = 0.0
    for before, after in zip(expected, observed, strict=True):
        share_before, share_after = (
            (count + 0.5) / (total + bins / 2) for count, total in zip((before, after), films, strict=True)
        )
        index += (share_after - share_before) * log(share_after / share_before)
    return index


def index_limit(reference: SignalReference, films: int) -> float:
    """The index that a window of this size, of films like the reference's, passes with probability `FALSE_ALARM`.

    Without a shift the index is distributed as (1/n + 1/m) times chi-square with B - 1 degrees of freedom, for
    windows of n and references of m independent films; films are not quite, hence `DEPENDENCE`. A fixed limit of 0.25
    would be too low for 100 films and too high for 1,000.

    Returns:
        At least `NEGLIGIBLE`; not a number for fewer than `FEWEST_FILMS` films.

    Source: Yurdakul and Naranjo, J. Risk Model Validation 14(4) (2020) 89-100.
    """
    if films < FEWEST_FILMS:
        return nan
    noise = DEPENDENCE * (1 / films + 1 / reference.films) * _chi_square_quantile(len(reference.edges), 1 - FALSE_ALARM)
    return max(NEGLIGIBLE, noise)


def _chi_square_quantile(degrees: int, probability: float) -> float:
    """Of 1e-5 and 3 degrees 5 % above the exact one, of 9 degrees 2 %: never below.

    Source: Wilson and Hilferty, PNAS 17 (1931) 684-688.
    """
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + NormalDist().inv_cdf(probability) * sqrt(spread)) ** 3)
