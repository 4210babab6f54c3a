"""Rules of the index that tells films of another kind from chance."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import chi2

from schemas.model.drift import (
    SignalReference,
    film_signals,
    index_limit,
    population_stability_index,
    signal_names,
)

DECILES = SignalReference(edges=tuple(range(9)), counts=(78,) * 10)


def test_samples_with_equal_shares_have_the_index_0() -> None:
    assert population_stability_index((10, 20, 30), (10, 20, 30)) == 0
    assert population_stability_index((1000, 2000, 1000), (500, 1000, 500)) == pytest.approx(0, abs=1e-6)


def test_the_index_is_the_sum_over_the_bins_of_share_difference_times_log_ratio() -> None:
    # 99.5 + 0.5 of 200 + 1 films, and so on: shares (1/2, 1/2) and (1/4, 3/4)
    index = population_stability_index((100, 100), (49.75, 150.25))  # type: ignore[arg-type] # counts, but for this example

    assert index == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(1.5), rel=1e-9)


def test_an_empty_bin_is_no_infinite_surprise() -> None:
    assert 1 < population_stability_index((100, 100), (0, 100)) < 5


@pytest.mark.parametrize("films", [50, 200, 1000])
def test_without_a_shift_the_index_scatters_as_the_limit_assumes(films) -> None:
    random = np.random.default_rng(films)
    truths = random.dirichlet(DECILES.counts, 3000)  # what validation may have been drawn from
    found = np.array([population_stability_index(DECILES.counts, row) for row in random.multinomial(films, truths)])

    assert found.mean() == pytest.approx(9 * (1 / films + 1 / 780), rel=0.15)
    assert found.max() < index_limit(DECILES, films)
    assert found.max() > index_limit(DECILES, films) / 3


@pytest.mark.parametrize("bins", [4, 7, 10])
def test_the_limit_is_the_quantile_of_chi_square_and_never_below_it(bins) -> None:
    reference = SignalReference(edges=tuple(range(bins - 1)), counts=(100,) * bins)
    exact = 1.5 * (1 / 100 + 1 / (100 * bins)) * chi2.ppf(1 - 1e-5, bins - 1)

    assert exact < index_limit(reference, 100) < 1.06 * exact


def test_a_window_of_very_many_films_is_not_held_to_less_than_a_small_shift() -> None:
    many = SignalReference(edges=(0.5,), counts=(500_000, 500_000))

    assert index_limit(many, 1_000_000) == 0.1


def test_of_a_few_films_nothing_is_said() -> None:
    assert math.isnan(index_limit(DECILES, 49))
    assert not math.isnan(index_limit(DECILES, 50))


def test_a_bin_holds_its_upper_edge_and_the_outer_ones_have_no_end() -> None:
    reference = SignalReference(edges=(0.25, 0.5), counts=(20, 20, 20))

    assert [reference.bin_of(value) for value in (-1, 0.25, 0.26, 0.5, 0.51, 9)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("edges", "counts", "reason"),
    [
        ((0.5, 0.5), (20, 20, 20), "must ascend"),
        ((0.5, 0.4), (20, 20, 20), "must ascend"),
        ((0.5,), (20, 20, 20), "1 edges need 2 counts"),
        ((0.5,), (20, 20), "of 50 films or more"),
        ((0.5,), (-1, 60), "greater than or equal to 0"),
        ((), (60,), "at least 1"),
    ],
)
def test_a_reference_that_cannot_be_is_refused(edges, counts, reason) -> None:
    with pytest.raises(ValidationError, match=reason):
        SignalReference(edges=edges, counts=counts)


def test_the_signals_of_a_film_are_those_of_its_bundle() -> None:
    statistics = {"mean": 0.5, "contrast": 0.2, "border": 0.1}
    probabilities = {"NORMAL": 0.2, "BACTERIA": 0.7, "VIRUS": 0.1}

    signals = film_signals(statistics, probabilities, ("BACTERIA", "VIRUS"))

    assert tuple(signals) == signal_names(("BACTERIA", "VIRUS"))
    assert tuple(signals.values()) == (0.5, 0.2, 0.1, 0.7, 0.1)
