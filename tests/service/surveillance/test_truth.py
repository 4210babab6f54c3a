"""What a verdict states of a film."""

import pytest

from schemas.errors import InvalidParameterError
from schemas.model.calibration import Decision
from schemas.monitoring import VerdictRequest
from service.surveillance.truth import truth_of, word_of

ONE: dict[str, Decision] = {"PNEUMONIA": "positive"}
SEVERAL: dict[str, Decision] = {"Effusion": "positive", "Edema": "negative", "Nodule": "abstain"}


def stated(decisions, *, suspended=False, **verdict):
    return truth_of(VerdictRequest(**verdict), decisions, suspended=suspended)


def test_accepting_an_answer_makes_it_true_and_leaves_open_what_it_left_open() -> None:
    assert stated(SEVERAL, verdict="accept") == {"Effusion": "present", "Edema": "absent"}
    assert stated(SEVERAL, verdict="accept", findings=["Edema"]) == {"Edema": "absent"}


def test_rejecting_an_answer_about_one_finding_makes_the_opposite_true() -> None:
    assert stated(ONE, verdict="reject") == {"PNEUMONIA": "absent"}
    assert stated({"PNEUMONIA": "negative"}, verdict="reject") == {"PNEUMONIA": "present"}
    assert stated({"PNEUMONIA": "abstain"}, verdict="reject") == {}


def test_a_rejection_of_several_findings_names_those_that_are_wrong() -> None:
    assert stated(SEVERAL, verdict="reject", findings=["Effusion"]) == {"Effusion": "absent"}
    assert stated(SEVERAL, verdict="reject", corrected={"Nodule": "present"}) == {"Nodule": "present"}
    with pytest.raises(InvalidParameterError, match="Effusion, Edema; name those that are wrong"):
        stated(SEVERAL, verdict="reject")


def test_what_is_corrected_replaces_the_answer_and_the_rest_stands() -> None:
    corrected = {"Effusion": "absent", "Nodule": "present"}

    assert stated(SEVERAL, verdict="modify", corrected=corrected) == {**corrected, "Edema": "absent"}


def test_of_an_answer_that_was_withheld_nothing_is_true_but_what_the_reader_states() -> None:
    assert stated(ONE, verdict="accept", suspended=True) == {}
    assert stated(ONE, verdict="reject", suspended=True) == {}
    assert stated(ONE, verdict="modify", corrected={"PNEUMONIA": "absent"}, suspended=True) == {"PNEUMONIA": "absent"}


def test_a_finding_that_was_not_looked_for_is_refused_without_repeating_what_was_typed() -> None:
    with pytest.raises(InvalidParameterError) as refused:
        stated(ONE, verdict="modify", corrected={"Mrs Miller": "present"})

    assert "about PNEUMONIA" in str(refused.value)
    assert "Miller" not in str(refused.value)


@pytest.mark.parametrize(
    ("truth", "word"),
    [
        ({}, "accept"),
        ({"Effusion": "present", "Nodule": "present"}, "accept"),
        ({"Effusion": "absent", "Edema": "absent"}, "modify"),
        ({"Effusion": "absent"}, "reject"),
    ],
)
def test_a_source_that_states_the_truth_alone_accepts_or_rejects_by_it(truth, word) -> None:
    assert word_of(truth, SEVERAL) == word
