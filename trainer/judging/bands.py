"""Calibration by band: what is claimed of a finding in each tenth of its probability, and how often it is so."""

from collections.abc import Iterable, Iterator

import numpy as np

from biostatistics.intervals import wilson_interval
from schemas.model.evaluation import ProbabilityBand
from trainer.judging.subgroups import ScoredFilms

BANDS = 10
_EDGES = np.arange(BANDS + 1) / BANDS


def probability_bands(films: ScoredFilms, findings: Iterable[str]) -> dict[str, tuple[ProbabilityBand, ...]]:
    """The tenths of each finding's probability that have films, from the lowest on, each finding where it is known.

    Args:
        films: N films with their calibrated probabilities in [0, 1].
        findings: names.
    """
    return {name: tuple(_bands(films.known(name), name)) for name in findings}


def _bands(films: ScoredFilms, finding: str) -> Iterator[ProbabilityBand]:
    probability = films.probability(finding)
    positive = films.positive(finding)
    places = np.searchsorted(_EDGES[1:-1], probability, side="right")
    for place in np.unique(places).tolist():
        members = places == place
        count = int(members.sum())
        yield ProbabilityBand(
            low=float(_EDGES[place]),
            high=float(_EDGES[place + 1]),
            films=count,
            claimed=float(probability[members].mean()),
            observed=wilson_interval(int(positive[members].sum()), count),
        )
