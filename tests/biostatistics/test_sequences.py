"""Confidence sequences and the evidence of the stop rule: exact arithmetic, published bounds, brute force."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom

from biostatistics.sequences import HarmEvidence, alternatives, bernoulli_sequence, harm_evidence

ALPHA = 0.05


def robbins(successes: int, trials: int, p: Fraction) -> Fraction:
    """(n + 1) C(n, s) p^s (1 - p)^(n - s): Robbins 1970; p is in the set while this is above alpha."""
    return (trials + 1) * math.comb(trials, successes) * p**successes * (1 - p) ** (trials - successes)


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 30), (5, 9), (29, 30), (180, 200)])
def test_the_ends_of_a_sequence_are_where_robbins_bound_is_crossed(successes, trials) -> None:
    found = bernoulli_sequence(successes, trials, alpha=ALPHA)

    def above(p: float) -> float:
        return (trials + 1) * binom.pmf(successes, trials, p) - ALPHA

    low = 0 if successes == 0 else brentq(above, 1e-12, successes / trials)
    high = 1 if successes == trials else brentq(above, successes / trials, 1 - 1e-12)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    for inside in (found.low + 1e-6, found.high - 1e-6):
        assert robbins(successes, trials, Fraction(inside)) > Fraction(1, 20)
    for outside in {found.low - 1e-6, found.high + 1e-6} - {-1e-6, 1 + 1e-6}:
        assert robbins(successes, trials, Fraction(outside)) < Fraction(1, 20)


def test_the_end_of_a_run_without_success_is_the_closed_one() -> None:
    assert bernoulli_sequence(0, 30).high == pytest.approx(1 - (0.05 / 31) ** (1 / 30))


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_not_a_proportion_is_refused(successes, trials) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        bernoulli_sequence(successes, trials)


@pytest.mark.parametrize("p", [Fraction(1, 10), Fraction(1, 2), Fraction(19, 20)])
def test_over_every_path_of_twelve_trials_a_sequence_misses_no_more_than_alpha(p) -> None:
    allowed = Fraction(1, 5)
    missed = Fraction(0)
    edges = {(s, n): bernoulli_sequence(s, n, alpha=float(allowed)) for n in range(1, 13) for s in range(n + 1)}
    for path in product((0, 1), repeat=12):
        totals = np.cumsum(path).tolist()
        seen = (edges[total, number] for number, total in enumerate(totals, start=1))
        if any(not edge.low <= p <= edge.high for edge in seen):
            missed += p ** totals[-1] * (1 - p) ** (12 - totals[-1])

    assert 0 < missed <= allowed


def brute_force(wrong, allowed: float) -> float:
    """The capital, one stake for each time of the change and each rate, multiplied film by film."""
    rates = alternatives(allowed)
    capital = 200 / (200 + len(wrong))
    for start in range(len(wrong)):
        stake = 200 / (200 + start) - 200 / (201 + start)
        for rate in rates:
            ratios = [rate / allowed if each else (1 - rate) / (1 - allowed) for each in wrong[start:]]
            capital += stake / len(rates) * math.prod(ratios)
    return capital


def test_evidence_is_what_the_stakes_are_worth() -> None:
    wrong = np.random.default_rng(3).random(60) < 0.2
    evidence = HarmEvidence(0.05)
    for film, each in enumerate(wrong, start=1):
        evidence.add(wrong=bool(each))
        assert evidence.value == pytest.approx(brute_force(wrong[:film], 0.05))

    assert harm_evidence(wrong[np.newaxis], 0.05)[0, -1] == pytest.approx(evidence.value)


@pytest.mark.parametrize("allowed", [0.05, 0.1, 0.4])
def test_at_the_limit_the_expectation_of_evidence_is_one_film_after_film(allowed) -> None:
    paths = np.array(list(product((False, True), repeat=10)))
    chances = np.prod(np.where(paths, allowed, 1 - allowed), axis=1)

    assert chances @ harm_evidence(paths, allowed) == pytest.approx(np.ones(10))


def test_below_the_limit_it_is_less_also_where_the_rate_changes_with_what_came_before() -> None:
    paths = np.array(list(product((False, True), repeat=10)))
    after_a_fault = np.concatenate([np.zeros((len(paths), 1), bool), paths[:, :-1]], axis=1)
    rates = np.where(after_a_fault, 0.1, 0.02)  # never above the limit of 0.1
    chances = np.prod(np.where(paths, rates, 1 - rates), axis=1)
    expected = chances @ harm_evidence(paths, 0.1)

    assert expected[0] < 1
    assert np.all(np.diff(expected) <= 0)


def test_before_the_first_film_there_is_no_evidence_and_no_overflow_after_many() -> None:
    evidence = HarmEvidence(0.05)
    assert evidence.value == 1

    for _ in range(2000):
        evidence.add(wrong=True)
    assert math.isfinite(evidence.value)


@pytest.mark.parametrize("allowed", [0.0, 1.0])
def test_a_limit_that_nothing_can_cross_is_refused(allowed) -> None:
    with pytest.raises(ValueError, match="crossed"):
        HarmEvidence(allowed)


@pytest.mark.simulation
def test_false_stops_stay_below_alpha_at_the_limit_itself() -> None:
    wrong = np.random.default_rng(0).random((2000, 1000)) < 0.05
    stopped = (harm_evidence(wrong, 0.05) >= 1 / ALPHA).any(axis=1)

    assert stopped.mean() <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / 2000)


@pytest.mark.simulation
@pytest.mark.parametrize("before", [0, 100, 300])
def test_a_fall_of_specificity_is_found_in_sixty_films(before) -> None:
    random = np.random.default_rng(1)
    wrong = np.concatenate([random.random((1000, before)) < 0.03, random.random((1000, 400)) < 0.2], axis=1)
    crossed = harm_evidence(wrong, 0.05) >= 1 / ALPHA
    delays = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, 10_000) - before

    assert np.median(delays[delays > 0]) <= 60
