"""Calibration by band: what is claimed of a finding in each tenth of its probability, and how often it is so."""

from collections.abc import Iterable

from biostatistics.calibration import calibration_bands
from schemas.model.evaluation import ProbabilityBand
from trainer.judging.subgroups import ScoredFilms


def probability_bands(films: ScoredFilms, findings: Iterable[str]) -> dict[str, tuple[ProbabilityBand, ...]]:
    """The tenths of each finding's probability that have films, from the lowest on, each finding where it is known.

    Args:
        films: N films with their calibrated probabilities in [0, 1].
        findings: names.
    """
    known = {name: films.known(name) for name in findings}
    return {name: tuple(calibration_bands(own.positive(name), own.probability(name))) for name, own in known.items()}
