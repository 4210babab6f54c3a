"""The class that means none of the others is found in many languages, or by the user's word; and why is said."""

import pytest

from schemas.errors import TrainingDataError
from tests.films import indexed, write_classes
from trainer.films.negative import find_negative


@pytest.mark.parametrize(
    ("classes", "negative"),
    [
        (("0", "1"), "0"),
        (("0.0", "1.0"), "0.0"),
        (("-1", "1"), "-1"),
        (("False", "True"), "False"),
        (("no", "yes"), "no"),
        (("N", "Y"), "N"),
        (("YES", "NO"), "NO"),
        (("Nein", "Ja"), "Nein"),
        (("Oui", "Non"), "Non"),
        (("Sí", "No"), "No"),
        (("não", "sim"), "não"),
        (("-", "+"), "-"),
        (("class_0", "class_1"), "class_0"),
        (("absent", "present"), "absent"),
        (("TB", "no TB"), "no TB"),
        (("COVID", "NonCOVID"), "NonCOVID"),
        (("COVID", "non-COVID"), "non-COVID"),
        (("Pneumonie", "keine Pneumonie"), "keine Pneumonie"),
        (("covid_neg", "covid_pos"), "covid_neg"),
        (("Tuberculosis", "Not Tuberculosis"), "Not Tuberculosis"),
        (("Négatif", "Épanchement", "Masse"), "Négatif"),
        (("Unauffällig", "Pneumonie"), "Unauffällig"),
        (("sin hallazgos", "neumonía"), "sin hallazgos"),
        (("Saudável", "Pneumonia"), "Saudável"),
        (("正常", "肺炎"), "正常"),
        (("норма", "пневмония", "туберкулёз"), "норма"),
        (("Normal Chest X-ray", "TB"), "Normal Chest X-ray"),
        (("00_normal", "01_tb"), "00_normal"),
        (("No_Finding", "Mass", "Nodule"), "No_Finding"),
        (("abnormal", "normal"), "normal"),
        (("control", "sick"), "control"),
        (("TB", "COVID"), None),
        (("0", "1", "2"), None),
        (("healthy", "normal"), None),
        (("abnormal", "sick"), None),
    ],
)
def test_the_negative_class_is_recognised_and_why_is_said(classes, negative) -> None:
    found = find_negative(classes)

    assert found.name == negative
    assert "--negative-class" in found.reason
    assert all(name in found.reason for name in (classes if negative is None else (negative,)))


def test_the_user_names_the_negative_class_in_any_spelling_or_none(tmp_path) -> None:
    root = write_classes(tmp_path, {"Control group": 1, "TB": 1, "normal": 1})

    assert indexed(root).negative_class == "normal"
    assert indexed(root, negative_class="control_group").negative_class == "Control group"
    assert indexed(root, negative_class="none").negative_class is None
    assert "as --negative-class says" in indexed(root, negative_class="TB").negative.reason


def test_a_negative_class_that_is_not_there_is_refused_with_those_that_are(tmp_path) -> None:
    with pytest.raises(
        TrainingDataError, match="--negative-class healthy is none of the classes A, B; name one, or none"
    ):
        indexed(write_classes(tmp_path, {"A": 1, "B": 1}), negative_class="healthy")
