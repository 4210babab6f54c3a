"""Sites drawn again and again from films whose truth is known: what is promised against what is so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.site_profile.outputs import SeenFilms
from biostatistics.exact import binomial_cdf
from biostatistics.risk_control import Cuts, Risks, ScoredFilms, TooFewFilmsError, controlled_cuts

RESAMPLES: Final = 1000
FILMS: Final = 200
"""Of a site: what a hospital can label in an afternoon."""


@dataclass(frozen=True, slots=True)
class Population:
    """Films as a bundle answers them, as if they were all that a site ever sees."""

    truth: NDArray[np.bool_]  # [V]
    scores: NDArray[np.float64]  # [V], log odds of the finding
    withheld: NDArray[np.bool_]  # [V]

    @classmethod
    def of(cls, seen: SeenFilms, temperature: float, finding: int) -> "Population":
        """Films of two classes; `finding` is the place of the finding among them."""
        logits = seen.logits.astype(np.float64) / temperature
        return cls(seen.truth, logits[:, finding] - logits[:, 1 - finding], seen.withheld)

    def drawn(self, random: np.random.Generator, films: int, prevalence: float) -> ScoredFilms:
        """Films of a site, each with the finding with probability `prevalence`, drawn with replacement."""
        ill = random.random(films) < prevalence
        places = np.where(
            ill,
            random.choice(np.flatnonzero(self.truth), films),
            random.choice(np.flatnonzero(~self.truth), films),
        )
        return ScoredFilms(self.truth[places], self.scores[places], self.withheld[places])

    def rates(self, cuts: Cuts, prevalence: float) -> "Rates":
        """What a site with these cuts does to all films of the population."""
        negative = ~self.withheld & (self.scores < cuts.lower)
        positive = ~self.withheld & (self.scores > cuts.upper)
        answered = [float((negative | positive)[kind].mean()) for kind in (self.truth, ~self.truth)]
        return Rates(
            missed=float(negative[self.truth].mean()),
            false_alarms=float(positive[~self.truth].mean()),
            answered=prevalence * answered[0] + (1 - prevalence) * answered[1],
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of films, each in [0, 1]."""

    missed: float
    """Of those with the finding."""
    false_alarms: float
    """Of those without it."""
    answered: float


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one shift at one prevalence."""

    refused: int
    """Of the draws: too few films of a kind."""
    broken: int
    """Draws whose profile misses more films than it promises."""
    alarms_broken: int
    """The same of false alarms."""
    profile: Rates | None
    """Mean over the profiles; None: all were refused."""

    @property
    def made(self) -> int:
        """Draws that gave a profile."""
        return RESAMPLES - self.refused


def cell(population: Population, prevalence: float, risks: Risks, threshold: float, *, seed: int) -> Cell:
    """Draw sites and compare what their profiles promise with the whole population.

    Args:
        population: of one shift.
        prevalence: of the sites.
        risks: that they ask for.
        threshold: of the log odds, the bundle's own.
        seed: the same seed draws the same sites.
    """
    random = np.random.default_rng(seed)
    draws = (population.drawn(random, FILMS, prevalence) for _ in range(RESAMPLES))
    found = [population.rates(cuts, prevalence) for cuts in _chosen(draws, risks, threshold)]
    mean = np.mean([(rates.missed, rates.false_alarms, rates.answered) for rates in found], axis=0) if found else None
    return Cell(
        refused=RESAMPLES - len(found),
        broken=sum(rates.missed > risks.missed for rates in found),
        alarms_broken=sum(rates.false_alarms > risks.false_alarms for rates in found),
        profile=None if mean is None else Rates(*mean.tolist()),
    )


def _chosen(draws: Iterator[ScoredFilms], risks: Risks, threshold: float) -> Iterator[Cuts]:
    for films in draws:
        try:
            yield controlled_cuts(films, risks, threshold)
        except TooFewFilmsError:
            continue


def limit_of_chance(cells: Sequence[Cell], allowed: float) -> int:
    """How often the promise may be broken in one cell by chance alone, with all of them looked at.

    The largest count that a binomial variable with the allowed share exceeds with a probability of .05 divided by the
    number of cells (Bonferroni).
    """
    count = 0
    while 1 - binomial_cdf(count, RESAMPLES, allowed) > 0.05 / len(cells):
        count += 1
    return count
