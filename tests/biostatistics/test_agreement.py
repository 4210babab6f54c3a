"""Two readers of the same films: against scipy, scikit-learn, published tables and brute force."""

from itertools import product
from math import comb, factorial

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from biostatistics.agreement import kappa, mcnemar_p, paired_difference


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (3, 9), (25, 41), (200, 260), (700, 700)])
def test_mcnemar_is_the_binomial_test_of_the_films_on_which_they_differ(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0

    assert mcnemar_p(first, second) == pytest.approx(expected, abs=1e-12)
    assert mcnemar_p(second, first) == pytest.approx(expected, abs=1e-12)


def test_mcnemar_gives_the_published_p_values() -> None:
    """Fagerland, Lydersen and Laake (2013), table 1: airway hyper-responsiveness before and after transplantation."""
    assert mcnemar_p(1, 7) == pytest.approx(0.0703, abs=5e-5)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative, unlike -1 and 2"):
        mcnemar_p(-1, 2)


def probabilities_of_tables(films: int, cells: tuple[float, float, float, float]):
    """Every table of so many films, and its multinomial probability."""
    for both, first, second in product(range(films + 1), repeat=3):
        neither = films - both - first - second
        if neither < 0:
            continue
        counts = (both, first, second, neither)
        ways = factorial(films)
        chance = 1.0
        for count, cell in zip(counts, cells, strict=True):
            ways //= factorial(count)
            chance *= cell**count
        yield counts, ways * chance


@pytest.mark.parametrize(
    "cells", [(0.9, 0.03, 0.03, 0.04), (0.6, 0.15, 0.05, 0.2), (0.45, 0.05, 0.05, 0.45), (0.97, 0.01, 0.01, 0.01)]
)
def test_the_interval_of_a_paired_difference_covers_the_truth(cells: tuple[float, float, float, float]) -> None:
    """Of every table that there is: Newcombe's own figure for method 10 is a mean coverage of 0.95."""
    truth = cells[1] - cells[2]
    covered = 0.0
    for counts, chance in probabilities_of_tables(20, cells):
        interval = paired_difference(*counts)
        covered += chance * (interval.low <= truth <= interval.high)

    assert covered > 0.94


def test_a_paired_difference_is_turned_by_exchanging_the_readers() -> None:
    one = paired_difference(40, 7, 3, 10)
    other = paired_difference(40, 3, 7, 10)

    assert one.value == pytest.approx(4 / 60)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_readers_who_never_differ_still_have_an_interval() -> None:
    interval = paired_difference(30, 0, 0, 0)

    assert interval.value == 0
    assert interval.low < -0.05
    assert interval.high > 0.05


def test_correlated_readers_have_a_narrower_difference_than_unrelated_ones() -> None:
    related = paired_difference(45, 5, 5, 45)
    unrelated = paired_difference(25, 25, 25, 25)

    assert related.high - related.low < 0.5 * (unrelated.high - unrelated.low)


@pytest.mark.parametrize("seed", range(4))
def test_kappa_is_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = random.integers(3, size=90)
    second = np.where(random.random(90) < 0.6, first, random.integers(3, size=90))
    table = np.zeros((3, 3), int)
    np.add.at(table, (first, second), 1)

    found = kappa(table)

    assert found is not None
    assert found.value == pytest.approx(cohen_kappa_score(first, second))


def test_the_error_of_kappa_is_the_delta_methods() -> None:
    """The multinomial covariance and a numerical gradient, which share nothing with the published formula."""
    table = np.array([[44.0, 5, 1], [7, 20, 3], [9, 5, 6]])
    films = table.sum()

    def value_of(shares):
        expected = shares.sum(1) @ shares.sum(0)
        return (np.trace(shares) - expected) / (1 - expected)

    shares = table / films
    gradient = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[place] = 1e-6
        gradient[place] = (value_of(shares + step) - value_of(shares - step)) / 2e-6
    mean = (gradient * shares).sum()
    error = np.sqrt(((gradient**2 * shares).sum() - mean**2) / films)

    found = kappa(table)

    assert found is not None
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * error, rel=1e-6)


def test_kappa_of_readers_who_know_one_category_does_not_exist() -> None:
    assert kappa([[12, 0], [0, 0]]) is None


def test_kappa_of_readers_who_always_agree_is_1() -> None:
    found = kappa([[12, 0], [0, 5]])

    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[1, 2, 3], [4, 5, 6]]])
def test_a_table_that_shows_no_agreement_is_refused(table: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="a square of categories"):
        kappa(table)


def test_the_exact_test_holds_its_level() -> None:
    """Brute force over every split of the discordant films: at most 5 % of the chance lies where p is at most 0.05."""
    for films in (6, 11, 30):
        rejected = sum(comb(films, few) for few in range(films + 1) if mcnemar_p(few, films - few) <= 0.05)

        assert rejected / 2**films <= 0.05
