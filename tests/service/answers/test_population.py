"""What is stated of a film, against the intended population of a bundle."""

import pytest

from imaging.radiograph import NOTHING_STATED, HeaderFacts, Statement
from schemas.population import Population
from service.answers.population import check_population, merged

CHILDREN = Population(name="child", least_age_years=1, age_below_years=6)
INSIDE = {
    "view": "frontal",
    "projection": "PA",
    "body_part": "chest",
    "modality": "DX",
    "presentation_intent": "FOR PRESENTATION",
    "sex": "F",
}


def facts(age=4.0, **changes):
    """Of a header that states everything; None: silent about it."""
    stated = (INSIDE | changes).items()
    statements = tuple(Statement(aspect, value, "Keyword") for aspect, value in stated if value is not None)
    return HeaderFacts(age, statements=statements, has_header=True)


def test_a_film_of_which_everything_is_stated_as_the_bundle_wants_it_is_inside() -> None:
    assert check_population(CHILDREN, facts()).verdict == "inside"
    assert check_population(None, facts(age=None)).verdict == "inside"


@pytest.mark.parametrize(
    ("population", "stated", "words"),
    [
        ({}, {"age": 67.0}, "its own file states an age outside of those that the network was trained on"),
        ({}, {"age": 0.01}, "(child, from 1 and below 6 years), by PatientAge."),
        ({}, {"view": "lateral"}, "a view that is lateral (Keyword), and the network was trained on frontal films"),
        ({"projections": ("PA",)}, {"projection": "AP"}, "the projection AP (Keyword)"),
        ({}, {"body_part": "other"}, "another part of the body, or more than one (Keyword)"),
        ({"modalities": ("CR",)}, {}, "the modality DX (Keyword), and the network was trained on CR films alone"),
        ({}, {"presentation_intent": "FOR PROCESSING"}, "that it is FOR PROCESSING (Keyword)"),
        ({"sexes": ("M",)}, {}, "states a sex outside of those that the network was trained on (Keyword; it takes M)"),
    ],
)
def test_one_attribute_outside_is_enough_and_the_sentence_names_it_and_the_rule(population, stated, words) -> None:
    check = check_population(CHILDREN.model_copy(update=population), facts(**stated))

    assert check.verdict == "outside"
    assert len(check.outside) == 1
    assert words in check.outside[0]
    assert not {"67", "0.01", "F,"} & set(check.outside[0].split())


@pytest.mark.parametrize(
    ("population", "silent", "warning"),
    [
        ({}, {"age": None}, "age_unknown"),
        ({}, {"view": None}, "view_unknown"),
        ({}, {"body_part": None}, "body_part_unknown"),
        ({"projections": ("PA",)}, {"projection": None}, "projection_unknown"),
        ({}, {"presentation_intent": None}, "presentation_intent_unknown"),
        ({"sexes": ("M",)}, {"sex": None}, "sex_unknown"),
    ],
)
def test_what_a_header_does_not_state_is_a_warning_and_no_reason(population, silent, warning) -> None:
    check = check_population(CHILDREN.model_copy(update=population), facts(**silent))

    assert (check.verdict, check.outside, check.warnings) == ("incomplete", (), (warning,))


@pytest.mark.parametrize(
    "silent",
    [{"sex": None}, {"projection": None}, {"presentation_intent": None, "modality": "CR"}],
)
def test_what_the_bundle_does_not_ask_for_or_no_cr_film_has_is_not_missed(silent) -> None:
    assert check_population(CHILDREN, facts(**silent)).verdict == "inside"


def test_a_picture_of_which_nothing_is_stated_is_not_checked_and_one_with_age_and_view_is() -> None:
    view = (Statement("view", "frontal", "view"),)

    assert check_population(CHILDREN, NOTHING_STATED).verdict == "not_checked"
    assert check_population(CHILDREN, NOTHING_STATED).warnings == ()
    assert check_population(CHILDREN, HeaderFacts(4, "age", view)).verdict == "inside"
    assert check_population(CHILDREN, HeaderFacts(4, "age")).warnings == ("view_unknown",)
    assert check_population(CHILDREN, HeaderFacts(None, "age", view)).warnings == ("age_unknown",)
    (sentence,) = check_population(CHILDREN, HeaderFacts(67, "age", view)).outside
    assert sentence.startswith("its caller states an age outside")


def test_a_bundle_for_lateral_films_answers_those() -> None:
    lateral = CHILDREN.model_copy(update={"views": ("lateral",)})

    assert check_population(lateral, facts(view="lateral")).verdict == "inside"
    assert check_population(lateral, facts()).verdict == "outside"


def test_a_caller_counts_where_the_header_is_silent_and_is_contradicted_where_it_is_not() -> None:
    caller = HeaderFacts(67, "age", (Statement("view", "lateral", "view"),))

    silent, quiet = merged(facts(age=None, view=None, projection=None), caller)
    stated, loud = merged(facts(), caller)

    assert (silent.age_years, silent.age_by, silent.stated("view")[0].by, quiet) == (67, "age", "view", ())
    assert (stated.age_years, stated.stated("view")[0].value, loud) == (4, "frontal", ("caller_contradicts_header",))
    assert merged(facts(), HeaderFacts(4.5, "age"))[1] == ()
