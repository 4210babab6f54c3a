"""The analysis as ORU^R01, read back by hl7apy with its tables of version 2.5.1."""

from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from pydicom.dataset import Dataset

from schemas.api import DISCLAIMER
from schemas.errors import InvalidParameterError
from service.results.hl7.encoding import CHARACTER_SETS
from service.results.hl7.message import Addressing, result_message, with_control_id
from service.results.messages.context import context_of
from service.surveillance.reports.hl7 import read_hl7
from service.surveillance.reports.rules import ReportRules, Rule
from tests.service.results.films import analysis, film, several
from tests.service.results.hl7.reading import field, segments, unescaped

KEY = "ABCDEFGHIJKLMNOPQRST"


def item(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return [dataset]


NAMED = {
    "PatientName": "O'Neil^Jane^M^Dr^Jr=山田^花子",
    "PatientID": "CLINIC\\12345",
    "PatientBirthDate": "19800229",
    "PatientSex": "F",
    "IssuerOfPatientID": "CLINIC",
    "IssuerOfPatientIDQualifiersSequence": item(UniversalEntityID="1.2.3.9", UniversalEntityIDType="ISO"),
    "AccessionNumber": "A|77",
    "ReferringPhysicianName": "Smith^Anna",
    "PlacerOrderNumberImagingServiceRequest": "P1",
    "RequestAttributesSequence": item(RequestedProcedureID="RP1"),
    "StudyDate": "20261120",
    "StudyTime": "101112",
    "TimezoneOffsetFromUTC": "-0330",
}


def noted(record):
    return record.model_copy(update={"delivery": ("note",), "explanation": None})


def written(record, source, **addressing):
    return with_control_id(result_message(record, context_of(source), Addressing(**addressing)), KEY).decode()


ABSTAINED: dict[str, Any] = {"decision": "abstain", "abstention_reasons": ("not_frontal", "unclear")}
LONG = "No answer: " + "the film looks like one of an adult, and the network was trained on child films alone; " * 6
RECORDS = [
    analysis(film()),
    analysis(film(), {"NORMAL": 0.05, "BACTERIAL_PNEUMONIA": 0.55, "VIRAL_PNEUMONIA": 0.4}, warnings=("overlay",)),
    analysis(film(), {"Swan-Ganz": 0.4, "pacemaker": 0.6}, negative_class=None),
    analysis(film(), **ABSTAINED, in_distribution=None, out_of_distribution_score=None),
    noted(analysis(film(), **ABSTAINED)),
    analysis(film(), recommendation=LONG),
    several(film(), warnings=("overlay",), recommendation="See it | now ^ & ~ \\ \r\nat once."),
]
SOURCES = [film(**NAMED), film(PatientID="", PatientName="", AccessionNumber=""), film(PatientSex="O")]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.clause("HL7-v2 ORU^R01", "the message has the structure and the tables of 2.5.1 by hl7apy, strict")
def test_the_message_is_a_strict_oru_r01_of_version_2_5_1(record, source) -> None:
    message = written(record, source, receiving_application="RIS^A", stat_positives=True)
    parsed = parse_message(message, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)

    assert (parsed.name, parsed.version) == ("ORU_R01", "2.5.1")
    assert parsed.validate()
    assert [child.name for child in parsed.children] == ["MSH", "SFT", "ORU_R01_PATIENT_RESULT"]
    results = parsed.oru_r01_patient_result.oru_r01_order_observation.oru_r01_observation
    assert len(results) == len(segments(message, "OBX"))


@pytest.mark.clause(
    "IHE RD RAD-128", "patient, order, accession number and status P are where the transaction has them"
)
def test_the_patient_the_order_and_the_time_stand_where_a_ris_looks_for_them() -> None:
    message = written(analysis(film(**NAMED)), film(**NAMED))
    (pid,), (pv1,), (orc,), (obr,) = (segments(message, name) for name in ("PID", "PV1", "ORC", "OBR"))

    assert pid[3] == r"CLINIC\E\12345^^^CLINIC&1.2.3.9&ISO^MR"
    assert pid[5] == "O'Neil^Jane^M^Jr^Dr^^L^A~山田^花子^^^^^L^I"
    assert (pid[7], pid[8]) == ("19800229", "F")
    assert (pv1[2], pv1[8]) == ("U", "^Smith^Anna")
    assert orc[1:4] == ["RE", "P1", r"A\F\77"]
    assert (obr[2], obr[3], obr[18], obr[19]) == ("P1", r"A\F\77", r"A\F\77", "RP1")
    assert obr[4] == "36554-4^XR Chest Single view^LN"
    assert (obr[7], obr[16], obr[24], obr[25]) == ("20261120101112-0330", "^Smith^Anna", "RAD", "P")
    assert (obr[5], segments(message, "TQ1")) == ("", [])


def test_a_header_that_states_nothing_makes_nothing_up() -> None:
    bare = SOURCES[1]
    message = written(analysis(bare), bare)
    (pid,), (orc,), (obr,) = (segments(message, name) for name in ("PID", "ORC", "OBR"))

    assert (pid[3], pid[5], pid[8], segments(message, "PV1")) == ('""', "^^^^^^U", "U", [])
    assert (field(orc, 2), field(orc, 3), field(obr, 3), field(obr, 18)) == ("", "", "", "")


def test_a_finding_has_its_presence_its_probability_and_its_threshold() -> None:
    presence, probability, *figures = segments(written(analysis(film()), film()), "OBX")[:5]

    assert presence[2:6] == ["CWE", "233604007^Pneumonia^SCT", "1", "52101004^Present^SCT"]
    assert (presence[8], presence[11]) == ("A", "P")
    assert probability[2:9] == ["NM", "122157^Probability^DCM", "1", "0.958765", "1^no units^UCUM", "<0.31", "A"]
    assert [row[5] for row in figures] == ["0.31", "0.962", "0.91"]


def test_each_finding_has_a_group_a_flag_and_a_status_of_its_own() -> None:
    rows = [row for row in segments(written(several(film()), film()), "OBX") if row[2] == "CWE"]

    assert [(row[4], row[5].split("^")[0], row[8], row[11]) for row in rows] == [
        ("1", "52101004", "A", "P"),
        ("2", "", "", "X"),
        ("3", "2667000", "N", "P"),
    ]


def test_a_film_without_an_answer_has_the_reasons_and_as_a_short_report_no_figure() -> None:
    rows = segments(written(noted(analysis(film(), **ABSTAINED)), film()), "OBX")

    assert (rows[0][5], rows[0][11]) == ("", "X")
    assert [row[5].split("^")[0] for row in rows if row[3].startswith("NO_ANSWER")] == ["NOT_FRONTAL", "UNCLEAR"]
    assert not any(row[2] == "NM" for row in rows)


@pytest.mark.clause("IHE RD RAD-128", "an OBX of code 113014 has the Study Instance UID")
def test_the_conclusion_the_disclaimer_the_study_and_the_device_are_there() -> None:
    rows = segments(written(RECORDS[-1], film()), "OBX")
    texts = {row[3].split("^")[0]: unescaped(row[5]) for row in rows}

    assert texts["121077"] == "See it | now ^ & ~ \\ \r\nat once."
    assert texts["121106"] == DISCLAIMER
    assert texts["113014"] == "1.2.3"
    assert all(row[18].startswith("chest-xray 1.2.0^cxr-classifier^2.25.") for row in rows)
    assert [row[1] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]


def test_a_long_text_is_lines_of_one_segment_each() -> None:
    rows = segments(written(analysis(film(), recommendation=LONG), film()), "OBX")
    lines = [row[5] for row in rows if row[3].startswith("121077")]

    assert len(lines) > 2
    assert max(map(len, lines)) <= 199
    assert " ".join(lines) == LONG.strip()


@pytest.mark.parametrize(("decision", "priority"), [("positive", "S"), ("abstain", ""), ("negative", "")])
def test_a_priority_is_stated_of_positives_alone_and_where_it_was_asked_for(decision, priority) -> None:
    message = written(analysis(film(), decision=decision), film(), stat_positives=True)

    assert segments(message, "OBR")[0][5] == priority
    assert [row[9] for row in segments(message, "TQ1")] == ([priority] if priority else [])


def test_the_control_id_is_set_at_last_and_alone() -> None:
    message = result_message(analysis(film()), context_of(film()), Addressing())

    assert message == result_message(analysis(film()), context_of(film()), Addressing())
    assert with_control_id(message, KEY).replace(KEY.encode(), b"") == message
    assert segments(with_control_id(message, KEY).decode(), "MSH")[0][10] == KEY


@pytest.mark.parametrize(
    ("name", "asked", "used"),
    [("Müller", "8859/1", "8859/1"), ("山田", "8859/1", "UNICODE UTF-8"), ("Doe", "ASCII", "")],
)
@pytest.mark.clause("HL7-v2 MSH-18", "the header names the character set of the message")
def test_the_header_names_the_character_set_of_the_whole_message(name, asked, used) -> None:
    source = film(PatientName=name, SpecificCharacterSet="ISO_IR 192")
    message = result_message(analysis(source), context_of(source), Addressing(character_set=asked))

    text = message.decode(CHARACTER_SETS[used or "ASCII"])
    assert field(segments(text, "MSH")[0], 18) == used
    assert segments(text, "PID")[0][5].startswith(name)


def test_our_own_report_is_never_taken_for_a_final_one() -> None:
    rules = ReportRules(rules=(Rule(finding="PNEUMONIA", presence="present", phrases=("pneumonia",)),))

    with pytest.raises(InvalidParameterError, match="OBR-25"):
        read_hl7(written(analysis(film()), film()).encode(), rules)
