"""Rules of the cuts with a guarantee: exact numbers, brute force, and draws of films whose risk is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biostatistics.exact import upper_bound
from biostatistics.risk_control import Risks, ScoredFilms, TooFewFilmsError, alarm_cut, controlled_cuts, miss_cut

NONE = np.zeros(400, bool)
SCORES = st.lists(st.floats(-50, 50), min_size=1, max_size=120)


def test_too_few_positives_are_refused_with_what_they_can_promise() -> None:
    with pytest.raises(TooFewFilmsError) as refused:
        miss_cut(np.arange(29), [], 0.05)

    assert str(refused.value) == (
        "too few positives: with 29 positives and no miss, 10 % is what can be promised; "
        "a risk of 5.0% takes 59 positives at least"
    )


def test_too_few_negatives_are_refused_as_such() -> None:
    with pytest.raises(TooFewFilmsError, match="too few negatives: with 10 negatives and no miss, 26 %"):
        alarm_cut(np.arange(10), [], 0.1)


def test_without_films_nothing_is_promised() -> None:
    with pytest.raises(TooFewFilmsError, match="without one, nothing can be promised"):
        miss_cut([], [1.0], 0.1)


def test_fifty_nine_positives_promise_five_percent_below_the_lowest_of_them() -> None:
    assert miss_cut(np.arange(59) + 10.0, [9.0, 2.0], 0.05) == 9.5
    assert miss_cut(np.arange(93) + 10.0, [], 0.05) == 10.5  # one may be missed


def test_films_without_an_answer_are_not_missed() -> None:
    scores = np.concatenate([np.arange(40) + 10.0, np.full(19, np.inf)])

    assert miss_cut(scores, [], 0.05) == 10.0
    assert miss_cut(np.full(59, np.inf), [], 0.05) == np.inf


@given(SCORES, SCORES, st.floats(0.02, 0.5))
def test_the_cut_is_the_highest_that_keeps_the_risk(positives, others, risk) -> None:
    ranked = np.sort(positives)
    kept = [cut for cut in ranked if upper_bound(int((ranked < cut).sum()), len(ranked)) <= risk]
    if not kept:
        with pytest.raises(TooFewFilmsError):
            miss_cut(positives, others, risk)
        return

    cut = miss_cut(positives, others, risk)

    assert (ranked < cut).sum() == (ranked < max(kept)).sum()
    assert cut <= max(kept)


@given(SCORES, SCORES, st.floats(0.02, 0.5))
def test_the_two_cuts_are_mirror_images(negatives, others, risk) -> None:
    try:
        expected = -miss_cut([-score for score in negatives], [-score for score in others], risk)
    except TooFewFilmsError:
        return

    assert alarm_cut(negatives, others, risk) == expected


def _films(random, films, prevalence, *, distance=2.0):
    truth = random.random(films) < prevalence
    return truth, random.standard_normal(films) + distance * truth


def test_a_threshold_that_keeps_both_risks_stays_and_no_film_is_left_out() -> None:
    truth, scores = _films(np.random.default_rng(0), 400, 0.5, distance=8.0)

    cuts = controlled_cuts(ScoredFilms(truth, scores, NONE), Risks(0.05, 0.05), 4.0)

    assert (cuts.lower, cuts.threshold, cuts.upper) == (4.0, 4.0, 4.0)


def test_where_both_risks_cannot_be_kept_by_one_threshold_films_between_are_left_out() -> None:
    truth, scores = _films(np.random.default_rng(0), 400, 0.5, distance=1.0)

    cuts = controlled_cuts(ScoredFilms(truth, scores, NONE), Risks(0.05, 0.05), -9.0)

    assert cuts.lower < cuts.upper
    assert cuts.threshold == cuts.lower
    assert upper_bound(cuts.missed, int(truth.sum())) <= 0.05
    assert upper_bound(cuts.false_alarms, int((~truth).sum())) <= 0.05


@pytest.mark.simulation
@pytest.mark.parametrize("prevalence", [0.2, 0.5])
def test_the_promise_is_broken_in_at_most_five_percent_of_the_draws(prevalence) -> None:
    random = np.random.default_rng(1)
    population_truth, population = _films(random, 200_000, 0.5)
    with_finding = population[population_truth]
    draws = 2000
    broken = 0
    for _ in range(draws):
        truth, scores = _films(random, 400, prevalence)
        broken += (with_finding < miss_cut(scores[truth], scores[~truth], 0.1)).mean() > 0.1

    assert broken / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert broken / draws >= 0.01  # the bound is exact, not merely safe
