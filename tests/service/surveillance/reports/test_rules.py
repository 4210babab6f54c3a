"""What a final report states, by rules that were written down before."""

import json

import pytest

from schemas.errors import SettingsError
from service.surveillance.reports.rules import read_rules
from service.surveillance.stops import read_limits
from tests.docs.pages import ROOT

EXAMPLE = (ROOT / "deploy/verdicts/report-rules.json").read_bytes()


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("Right lower lobe PNEUMONIA.", {"PNEUMONIA": "present"}),
        ("No  pneumonia. Heart normal.", {"PNEUMONIA": "absent"}),
        ("No evidence of pneumonia", {"PNEUMONIA": "absent"}),
        ("The lungs are clear; heart normal.", {"PNEUMONIA": "absent"}),
        ("Heart of normal size.", {}),
        ("Pneumonia cannot be excluded.", {}),
        ("No pneumonia on the left. Pneumonia on the right.", {}),
        ("Pneumonias in the past", {}),
        ("", {}),
    ],
)
def test_phrases_are_whole_words_and_the_longest_wins(text, truth) -> None:
    assert read_rules(EXAMPLE).truth([text], []) == truth


def test_a_code_states_a_finding_as_a_phrase_does() -> None:
    rules = read_rules(EXAMPLE)

    assert rules.truth([], [("http://snomed.info/sct", "233604007")]) == {"PNEUMONIA": "present"}
    assert rules.truth([], [("http://loinc.org", "233604007")]) == {}
    assert rules.truth(["no pneumonia"], [("SCT", "233604007")]) == {}


def test_phrases_of_one_finding_do_not_hide_those_of_another() -> None:
    rules = [
        {"finding": "Effusion", "presence": "present", "phrases": ["effusion"]},
        {"finding": "Edema", "presence": "absent", "phrases": ["no effusion or edema"]},
    ]

    stated = read_rules(json.dumps({"rules": rules}).encode()).truth(["No effusion or edema"], [])

    assert stated == {"Effusion": "present", "Edema": "absent"}  # the rules miss a negation: they state what they state


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"rules": []}', b'{"rules": [{"finding": "A", "presence": "maybe"}]}']
)
def test_what_is_not_a_file_of_rules_is_refused(content) -> None:
    with pytest.raises(SettingsError, match="CXR_REPORT_RULES is not a file of rules at"):
        read_rules(content)


def test_the_example_of_limits_can_be_read_and_what_is_none_is_refused_with_its_place() -> None:
    assert len(read_limits((ROOT / "deploy/verdicts/stop-limits.json").read_bytes()).limits) == 2
    one = '{"figure": "specificity", "finding": "A", "at_least": 0.9}'
    for content, words in (
        ("", "the file"),
        (f'{{"limits": [{one}, {one}]}}', "two limits"),
        (f'{{"limits": [{one.replace("specificity", "ppv")}]}}', "limits.0.figure"),
        (f'{{"limits": [{one.replace("0.9", "1.0")}]}}', "limits.0.at_least"),
    ):
        with pytest.raises(SettingsError, match=words):
            read_limits(content.encode())
