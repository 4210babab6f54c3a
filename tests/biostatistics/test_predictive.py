"""Predictive values at a stated prevalence: Bayes' rule, and intervals that keep their promise."""

import numpy as np
import pytest

from biostatistics.predictive import Confusion, predictive_values


def test_the_values_are_those_of_bayes() -> None:
    ppv, npv = predictive_values(Confusion(hits=90, misses=10, false_alarms=20, rejections=80), 0.01)

    assert ppv.value == pytest.approx(0.9 * 0.01 / (0.9 * 0.01 + 0.2 * 0.99))
    assert npv.value == pytest.approx(0.8 * 0.99 / (0.8 * 0.99 + 0.1 * 0.01))


def test_at_the_films_own_prevalence_the_values_are_their_shares() -> None:
    ppv, npv = predictive_values(Confusion(30, 10, 15, 45), 0.4)

    assert (ppv.value, npv.value) == (pytest.approx(30 / 45), pytest.approx(45 / 55))


@pytest.mark.parametrize("counts", [Confusion(50, 0, 5, 45), Confusion(45, 5, 0, 50), Confusion(0, 50, 0, 50)])
def test_a_count_of_zero_has_an_interval_too(counts) -> None:
    for value in predictive_values(counts, 0.1):
        assert 0 <= value.low <= value.value <= value.high <= 1
        assert value.low < value.high


@pytest.mark.parametrize(("counts", "prevalence"), [((0, 0, 1, 1), 0.1), ((1, 1, 0, 0), 0.1), ((1, 1, 1, 1), 0.0)])
def test_what_has_no_predictive_value_is_refused(counts, prevalence) -> None:
    with pytest.raises(ValueError, match="have no predictive values"):
        predictive_values(Confusion(*counts), prevalence)


@pytest.mark.simulation
def test_the_intervals_hold_the_true_values() -> None:
    random = np.random.default_rng(0)
    sensitivity, specificity, prevalence = 0.9, 0.85, 0.05
    true = sensitivity * prevalence / (sensitivity * prevalence + (1 - specificity) * (1 - prevalence))
    held = 0
    for hits, rejections in zip(
        random.binomial(100, sensitivity, 1000), random.binomial(100, specificity, 1000), strict=True
    ):
        ppv, _ = predictive_values(Confusion(hits, 100 - hits, 100 - rejections, rejections), prevalence)
        held += ppv.low <= true <= ppv.high

    assert held / 1000 == pytest.approx(0.95, abs=0.02)
