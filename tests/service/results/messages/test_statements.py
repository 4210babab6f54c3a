"""What messages state of a film."""

import pytest

from service.results.messages.statements import findings_of, recommendation_of, shows_figures
from tests.service.results.films import analysis, film, several


@pytest.mark.parametrize(
    ("decision", "delivery", "shown"),
    [
        ("positive", ("report", "picture"), True),
        ("positive", (), True),
        ("positive", ("note",), False),
        ("negative", ("report",), True),
        ("abstain", ("note",), False),
        ("abstain", (), False),
        ("abstain", ("picture",), False),
        ("abstain", ("report",), True),
    ],
)
def test_figures_are_shown_where_the_archive_gets_them(decision, delivery, shown) -> None:
    record = analysis(film(), decision=decision).model_copy(update={"delivery": delivery})

    assert shows_figures(record) is shown


def test_each_finding_is_a_line_of_words() -> None:
    assert findings_of(several(film())) == ["Effusion: present", "Cardiomegaly: no answer", "Pneumothorax: absent"]


def test_a_recommendation_is_given_without_what_a_guide_computed() -> None:
    record = analysis(film(), recommendation="No answer: not an adult (population: child, 0.97). Have it read.")

    assert recommendation_of(record, figures=True) == record.prediction.recommendation
    assert recommendation_of(record, figures=False) == "No answer: not an adult. Have it read."
