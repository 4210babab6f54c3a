"""A final report as HL7 v2."""

import pytest

from schemas.errors import InvalidParameterError
from service.surveillance.reports.hl7 import read_hl7
from service.surveillance.reports.rules import read_rules
from service.surveillance.statements import FilmName
from tests.service.surveillance.reports.test_rules import EXAMPLE

RULES = read_rules(EXAMPLE)
HEADER = r"MSH|^~\&|RIS|HOSPITAL|CXR|HOSPITAL|20261129120000||ORU^R01^ORU_R01|1|P|2.5.1"


def order(**fields):
    """OBR with fields by their numbers: `order(f25="P")`."""
    known = {"f1": "1", "f3": "A-3", "f4": "399208008^Chest^SCT", "f18": "A-1^x", "f25": "F"} | fields
    return "|".join(["OBR", *(known.get(f"f{number}", "") for number in range(1, 26))])


ORDER = order()
TEXT = "OBX|1|TX|18748-4^Report^LN||{}||||||F"
STUDY = "OBX|2|HD|113014^DICOM Study^DCM||1.2.3||||||F"


def message(*segments, ends="\r"):
    return ends.join(segments).encode()


def statement(*segments):
    (one,) = read_hl7(message(*segments), RULES)
    return one


@pytest.mark.clause("HL7-v2 ORU^R01", "a final report is read as a verdict")
def test_the_text_states_the_truth_of_the_study() -> None:
    said = statement(HEADER, "PID|1||P-0815||MILLER^ANNE", ORDER, TEXT.format("No pneumonia."), STUDY)

    assert (said.film, said.source, said.truth) == (
        FilmName(study_instance_uid="1.2.3"),
        "report",
        {"PNEUMONIA": "absent"},
    )


def test_without_a_study_the_accession_number_names_it_where_the_rules_say() -> None:
    assert statement(HEADER, ORDER, TEXT.format("Pneumonia")).film == FilmName(accession_number="A-1")
    elsewhere = RULES.model_copy(update={"accession_field": "OBR-3"})
    (said,) = read_hl7(message(HEADER, ORDER, TEXT.format("Pneumonia")), elsewhere)
    assert said.film == FilmName(accession_number="A-3")


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        (r"Heart normal\.br\No pneumonia\.br\End", {"PNEUMONIA": "absent"}),
        (r"A \T\ B; pneumonia", {"PNEUMONIA": "present"}),
        ("Heart normal", {}),
    ],
)
def test_escapes_are_read(text, truth) -> None:
    assert statement(HEADER, ORDER, TEXT.format(text)).truth == truth


def test_a_coded_result_counts_and_segments_end_as_they_may() -> None:
    coded = "OBX|1|CWE|19005-8^Impression^LN||233604007^Pneumonia^SCT||||||F"
    framed = b"\x0b" + message(HEADER, ORDER, coded, ends="\n") + b"\x1c\r"

    assert read_hl7(framed, RULES)[0].truth == {"PNEUMONIA": "present"}


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        (("PID|1",), "begins with MSH"),
        (("MSH",), "begins with MSH"),
        ((HEADER.replace("ORU^R01", "ADT^A01"), ORDER), "not an ORU"),
        ((HEADER,), "not final"),
        ((HEADER, order(f25="P"), STUDY), "not final"),
        ((HEADER, order(f18=""), TEXT.format("x")), "names no study"),
    ],
)
def test_what_is_not_a_final_report_of_a_study_is_refused(segments, words) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        statement(*segments)
