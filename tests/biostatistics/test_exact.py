"""Rules of the exact bounds: against scipy, published tables and the numbers that the documentation names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from biostatistics.exact import (
    binomial_cdf,
    exact_interval,
    lower_bound,
    most_failures,
    smallest_promise,
    trials_needed,
    upper_bound,
)

COUNTS = st.integers(1, 400).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@given(COUNTS, st.floats(0, 1))
def test_the_distribution_is_scipys(counts, share) -> None:
    successes, trials = counts

    assert binomial_cdf(successes, trials, share) == pytest.approx(binom.cdf(successes, trials, share), abs=1e-9)


@given(COUNTS, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_bounds_are_the_quantiles_of_the_beta_distribution(counts, confidence) -> None:
    successes, trials = counts
    above = 1.0 if successes == trials else beta.ppf(confidence, successes + 1, trials - successes)
    below = 0.0 if successes == 0 else beta.ppf(1 - confidence, successes, trials - successes + 1)

    assert upper_bound(*counts, confidence=confidence) == pytest.approx(above, abs=1e-9)
    assert lower_bound(*counts, confidence=confidence) == pytest.approx(below, abs=1e-9)


def test_an_interval_of_the_literature() -> None:
    interval = exact_interval(81, 263)  # Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 5

    assert (interval.low, interval.high) == pytest.approx((0.2527, 0.3676), abs=5e-5)


def test_the_numbers_of_films_that_are_known_by_heart() -> None:
    assert smallest_promise(29) == pytest.approx(0.0981, abs=5e-5)
    assert (trials_needed(0.05), trials_needed(0.1), trials_needed(0.01)) == (59, 29, 299)
    assert (most_failures(58, 0.05), most_failures(59, 0.05), most_failures(93, 0.05)) == (None, 0, 1)


@given(st.integers(1, 300), st.floats(0.005, 0.5))
def test_one_failure_more_would_break_the_promise(trials, risk) -> None:
    most = most_failures(trials, risk)

    if most is None:
        assert upper_bound(0, trials) > risk
    else:
        assert upper_bound(most, trials) <= risk + 1e-9
        assert most == trials or upper_bound(most + 1, trials) > risk


@pytest.mark.parametrize("counts", [(0, 0), (-1, 4), (5, 4)])
def test_what_is_not_a_proportion_is_refused(counts) -> None:
    with pytest.raises(ValueError, match="is not a proportion"):
        upper_bound(*counts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binomial_cdf(1, 2, 1.5), "not a probability"),
        (lambda: trials_needed(0), "cannot be promised"),
        (lambda: trials_needed(1e-9), "give a larger one"),
    ],
)
def test_what_is_not_a_risk_is_refused(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
