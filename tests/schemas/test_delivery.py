"""Which objects an archive gets for which decision."""

import pytest

from schemas.delivery import DEFAULT_POLICY, draws
from tests.service.results.films import analysis, film


def prediction(decision, *reasons):
    return analysis(film(), decision=decision).prediction.model_copy(update={"abstention_reasons": reasons})


@pytest.mark.parametrize(
    ("decision", "reasons", "objects"),
    [
        ("positive", (), {"report", "picture", "outline"}),
        ("negative", (), {"report"}),
        ("abstain", ("unclear",), {"note"}),
        ("abstain", ("outside_population", "not_frontal"), {"note"}),
        ("abstain", ("suspended",), {"note"}),
        ("abstain", (), {"note"}),
    ],
)
def test_by_default_no_film_without_an_answer_gets_a_figure_or_a_picture(decision, reasons, objects) -> None:
    chosen = DEFAULT_POLICY.of(prediction(decision, *reasons))

    assert chosen == objects
    assert draws(chosen) == (decision == "positive")


def test_a_reason_of_its_own_goes_before_abstain_and_the_first_that_is_named_counts() -> None:
    policy = DEFAULT_POLICY.with_changes({"suspended": frozenset(), "abstain": frozenset(("report",))})

    assert policy.of(prediction("abstain", "suspended", "outside_population")) == frozenset()
    assert policy.of(prediction("abstain", "unclear", "outside_population")) == {"note"}
    assert policy.of(prediction("abstain", "unclear")) == {"report"}
