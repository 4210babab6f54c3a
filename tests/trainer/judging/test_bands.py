"""Bands of probability hold each film once, and what is claimed of it beside what is so."""

import numpy as np
import pytest

from biostatistics.intervals import wilson_interval
from schemas.estimate import Estimate
from schemas.model.evaluation import ProbabilityBand
from trainer.judging.bands import probability_bands
from trainer.judging.subgroups import ScoredFilms


def scored(truth, probabilities) -> ScoredFilms:
    values = np.asarray(probabilities, float)
    return ScoredFilms(("A", "B"), np.asarray(truth), values, np.arange(len(values)).astype(str))


def test_a_film_on_an_edge_lies_above_it_and_certainty_in_the_last_band() -> None:
    found = probability_bands(scored([0, 1, 1, 1], [[1, 0], [0.7, 0.3], [0.71, 0.29], [0, 1]]), ["B"])["B"]

    places = [(0, 0.1), (0.2, 0.3), (0.3, 0.4), (0.9, 1)]
    assert [(band.low, band.high, band.films) for band in found] == [(*place, 1) for place in places]
    assert [band.observed.value for band in found] == [0, 1, 1, 1]


def test_a_band_claims_the_mean_and_observes_the_share_by_brute_force() -> None:
    random = np.random.default_rng(0)
    probability = random.random(500)
    truth = (random.random(500) < probability).astype(int)

    found = probability_bands(scored(truth, np.stack([1 - probability, probability], 1)), ["B"])["B"]

    assert sum(band.films for band in found) == 500
    for number, band in enumerate(found):
        inside = [index for index in range(500) if int(probability[index] * 10) == number]
        assert band.films == len(inside)
        assert band.claimed == pytest.approx(np.mean([probability[index] for index in inside]))
        assert band.observed == wilson_interval(sum(int(truth[index]) for index in inside), len(inside))


def test_a_film_on_which_a_finding_is_not_known_is_in_none_of_its_bands() -> None:
    found = probability_bands(scored([[1, np.nan], [0, 1]], [[0.95, 0.5], [0.05, 0.55]]), ["A", "B"])

    assert {name: sum(band.films for band in bands) for name, bands in found.items()} == {"A": 2, "B": 1}


@pytest.mark.parametrize(("claimed", "gap"), [(0.85, 0.35), (0.55, 0)])
def test_a_claim_within_the_interval_of_what_is_so_is_not_off(claimed, gap) -> None:
    observed = Estimate(value=0.5, low=0.4, high=0.6)

    assert ProbabilityBand(low=0, high=1, films=9, claimed=claimed, observed=observed).gap == pytest.approx(gap)
