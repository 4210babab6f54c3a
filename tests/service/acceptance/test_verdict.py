"""Rules of the verdict: intervals decide, and never in favour of what they do not show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.acceptance import AcceptanceFigure, Limit
from schemas.estimate import Estimate
from service.acceptance.figures import TITLES
from service.acceptance.verdict import outcome, reason, sample_size, verdict

SHARES = st.floats(0, 1)


@st.composite
def estimates(draw):
    low, value, high = sorted(draw(st.tuples(SHARES, SHARES, SHARES)))
    return Estimate(value=value, low=low, high=high)


@st.composite
def limits(draw):
    least, most = sorted(draw(st.tuples(SHARES, SHARES)))
    sides = draw(st.sampled_from(["least", "most", "both"]))
    return Limit(at_least=None if sides == "most" else least, at_most=None if sides == "least" else most)


def straddles(figure, limit):
    return any(bound is not None and figure.low < bound < figure.high for bound in (limit.at_least, limit.at_most))


@given(st.lists(st.tuples(estimates(), limits()), min_size=1, max_size=5))
def test_nothing_is_accepted_whose_interval_straddles_a_limit(pairs) -> None:
    outcomes = [outcome(figure, limit) for figure, limit in pairs]
    decided = verdict(outcomes)

    if any(straddles(figure, limit) for figure, limit in pairs):
        assert decided != "accept"
    beyond = [
        figure.high < (0 if limit.at_least is None else limit.at_least)
        or figure.low > (1 if limit.at_most is None else limit.at_most)
        for figure, limit in pairs
    ]
    assert (decided == "reject") == any(beyond)
    if decided == "accept":
        assert all((limit.at_least or 0) <= figure.low for figure, limit in pairs)
        assert all(figure.high <= (1 if limit.at_most is None else limit.at_most) for figure, limit in pairs)


def test_a_figure_without_films_accepts_nothing() -> None:
    assert outcome(None, Limit(at_least=0)) == "open"
    assert verdict(["met", "open"]) == "not_enough"
    with pytest.raises(ValueError, match="one limit at least"):
        verdict([])


def figure(hits, films, low, high, **changes):
    fields = {"name": "sensitivity", "title": TITLES["sensitivity"], "hits": hits, "films": films}
    return AcceptanceFigure(estimate=Estimate(value=0.95, low=low, high=high), **(fields | changes))


def test_the_films_that_a_decision_takes_are_those_with_which_it_falls() -> None:
    size = sample_size(figure(19, 20, 0.76, 0.99), Limit(at_least=0.9), "films")

    # Wilson's interval around .95 begins above .9 from 140 films on, to within the rounding of .95 * n.
    assert (size.films, size.needed) == (20, pytest.approx(140, abs=12))


def test_a_figure_on_its_limit_is_decided_by_no_number_of_films() -> None:
    assert sample_size(figure(95, 100, 0.89, 0.98), Limit(at_least=0.95), "films").needed is None


def test_an_interval_that_is_no_proportions_narrows_with_the_root() -> None:
    ranked = figure(None, 100, 0.85, 0.99, name="auroc")

    assert sample_size(ranked, Limit(at_least=0.9), "films").needed == pytest.approx(400, abs=1)
    assert sample_size(ranked, Limit(at_least=0.8), "films").needed == 100  # decided already


def test_a_reason_names_figure_interval_and_limit() -> None:
    sentence = reason(figure(95, 100, 0.89, 0.98), Limit(at_least=0.9))
    nothing = reason(AcceptanceFigure(name="ppv", title="PPV", estimate=None, films=0), Limit(at_least=0.9))

    assert sentence == (
        "Sensitivity of the answers given: the interval of 95.0% [89.0%, 98.0%] straddles its limit, at least 90.0%."
    )
    assert nothing == "PPV: there is no film to measure it on; the limit is at least 90.0%."
