"""A final report as FHIR."""

import json

import pytest

from schemas.errors import InvalidParameterError
from service.surveillance.reports.fhir import read_fhir
from service.surveillance.reports.rules import read_rules
from service.surveillance.statements import FilmName
from tests.service.surveillance.reports.test_rules import EXAMPLE

RULES = read_rules(EXAMPLE)
STUDY = {"identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}}
PNEUMONIA = {"coding": [{"system": "http://snomed.info/sct", "code": "233604007"}]}


def report(**fields):
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "study": [STUDY],
        "conclusion": "No pneumonia.",
    } | fields


def observation(**fields):
    return {"resourceType": "Observation", "status": "final", "code": PNEUMONIA} | fields


def interpretation(code):
    return [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": code}]}
    ]


def statement(body):
    (one,) = read_fhir(json.dumps(body).encode(), RULES)
    return one


@pytest.mark.clause("FHIR R5 DiagnosticReport", "a final report is read as a verdict")
def test_a_conclusion_states_the_truth_of_the_study() -> None:
    said = statement(report())

    assert (said.film, said.source, said.truth) == (
        FilmName(study_instance_uid="1.2.3"),
        "report",
        {"PNEUMONIA": "absent"},
    )


@pytest.mark.parametrize(
    ("fields", "film"),
    [
        ({"study": [], "imagingStudy": [STUDY]}, FilmName(study_instance_uid="1.2.3")),
        (
            {"study": [], "identifier": [{"type": {"coding": [{"code": "ACSN"}]}, "value": "A-1"}]},
            FilmName(accession_number="A-1"),
        ),
        (
            {"study": [], "basedOn": [{"identifier": {"type": {"coding": [{"code": "ACSN"}]}, "value": "A-2"}}]},
            FilmName(accession_number="A-2"),
        ),
    ],
)
def test_a_study_is_named_by_its_uid_or_its_accession_number(fields, film) -> None:
    assert statement(report(**fields)).film == film


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        (observation(valueBoolean=True), "present"),
        (observation(valueBoolean=False), "absent"),
        (observation(interpretation=interpretation("POS")), "present"),
        (observation(interpretation=interpretation("NEG")), "absent"),
    ],
)
def test_an_observation_in_a_bundle_or_contained_states_its_finding(found, truth) -> None:
    silent = report(conclusion="See observations.")
    bundle = {"resourceType": "Bundle", "entry": [{"resource": silent}, {"resource": found}]}

    assert statement(bundle).truth == {"PNEUMONIA": truth}
    assert statement(silent | {"contained": [found]}).truth == {"PNEUMONIA": truth}


def test_a_coded_conclusion_counts_and_an_open_observation_does_not() -> None:
    assert statement(report(conclusion="", conclusionCode=[PNEUMONIA])).truth == {"PNEUMONIA": "present"}
    bundle = {
        "entry": [{"resource": report(conclusion="")}, {"resource": observation(interpretation=interpretation("IND"))}]
    }
    assert statement(bundle).truth == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "holds 0 resources DiagnosticReport"),
        ({"entry": [{"resource": report()}, {"resource": report()}]}, "holds 2 resources"),
        (report(status="preliminary"), "not final"),
        (report(study=[]), "names no study"),
        (report(study=["x"], identifier={"value": 3}), "names no study"),
        ({"entry": [3, {"resource": None}, {"resource": []}]}, "holds 0"),
    ],
)
def test_what_is_not_one_final_report_of_a_study_is_refused(body, words) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        statement(body)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"3"])
def test_what_is_not_json_of_a_resource_is_refused(content) -> None:
    with pytest.raises(InvalidParameterError):
        read_fhir(content, RULES)
