"""Coded terms of findings, and what one decision says of each."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

from schemas.api import AbstentionReason
from service.results import codes
from service.results.codes import FINDINGS, SYSTEMS, finding_answer, finding_code
from tests.service.results.films import analysis, film, several


@pytest.mark.parametrize(
    ("name", "scheme", "value"),
    [
        ("PNEUMONIA", "SCT", "233604007"),
        ("Viral Pneumonia", "SCT", "75570004"),
        ("BACTERIAL_PNEUMONIA", "SCT", "53084003"),
        ("COVID-19", "SCT", "840539006"),
        ("covid", "SCT", "840539006"),
        ("Tuberculosis", "SCT", "56717001"),
        ("Lung_Opacity", "DCM", "112001"),
        ("Effusion", "SCT", "60046008"),
        ("Cardiomegaly", "SCT", "8186001"),
        ("Edema", "SCT", "19242006"),
        ("Swan-Ganz catheter", "99CXR", "SWAN_GANZ_CATHET"),
    ],
)
def test_class_names_have_codes_however_they_are_spelt(name, scheme, value) -> None:
    code = finding_code(name).code

    assert (code.scheme_designator, code.value) == (scheme, value)


def test_every_code_fits_its_attributes_and_has_an_address_in_fhir() -> None:
    for finding in (*FINDINGS.values(), finding_code("a name " * 20), finding_code("肺炎")):
        assert len(finding.code.value) <= 16
        assert len(finding.code.meaning) <= 64
        assert finding.code.scheme_designator in SYSTEMS
        assert finding.radlex is None or finding.radlex.scheme_designator in SYSTEMS


@pytest.mark.parametrize("name", ["NORMAL", "normal", "No Finding", "clear"])
def test_the_class_without_findings_is_never_coded_as_a_normal_chest(name) -> None:
    assert finding_code(name).code.scheme_designator == "99CXR"


def test_every_code_stands_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dicom-objects.md").read_text(encoding="utf-8")
    coded = [getattr(codes, name) for name in vars(codes) if isinstance(getattr(codes, name), Code)]
    coded += [*codes.PRESENCES.values(), *codes.CONFIDENCES.values(), *codes.FAMILIARITIES.values()]
    coded += [code for finding in FINDINGS.values() for code in (finding.code, finding.radlex) if code is not None]

    assert len(coded) > 20
    assert [code.value for code in coded if code.value not in page] == []
    assert [name for name in FINDINGS if name not in page] == []


def test_every_code_of_our_own_has_a_reason_in_the_documentation_and_no_other_code_has() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dicom-objects.md").read_text(encoding="utf-8")
    table = page.partition("### Codes of our own")[2].partition("\n### ")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines() if row.startswith("| ")]
    stated = {value: meaning for value, meaning, reason in rows[1:] if reason}

    constants = [each for each in vars(codes).values() if isinstance(each, Code)]
    reasons = [codes.reason_code(reason) for reason in get_args(AbstentionReason)]
    values = [
        *constants,
        *codes.PRESENCES.values(),
        *codes.CONFIDENCES.values(),
        *codes.FAMILIARITIES.values(),
        *reasons,
    ]
    ours = {
        code.value: code.meaning for code in (*values, *codes.STATUSES.values()) if code.scheme_designator == "99CXR"
    }
    assert stated == ours


@pytest.mark.parametrize(
    "code", [*codes.PRESENCES.values(), *codes.STATUSES.values(), *codes.DERIVATIONS, codes.VISUAL_EXPLANATION]
)
def test_codes_of_dicom_are_those_of_its_dictionary(code) -> None:
    names: Any = concepts[code.scheme_designator]
    known = {value: meanings for meant in names.values() for value, meanings in meant.items()}

    assert code.value in known or code.value == "2667000"  # pydicom's tables leave out Absent of CID 240
    assert code.value == "2667000" or known[code.value][0] == code.meaning


THREE = {"NORMAL": 0.05, "BACTERIAL_PNEUMONIA": 0.55, "VIRAL_PNEUMONIA": 0.4}


@pytest.mark.parametrize(
    ("probabilities", "changes", "decisions"),
    [
        (THREE, {}, ["positive", "indeterminate"]),
        (THREE | {"VIRAL_PNEUMONIA": 0.2}, {}, ["positive", "negative"]),
        (THREE, {"decision": "abstain"}, ["indeterminate", "indeterminate"]),
        ({"NORMAL": 0.9, "PNEUMONIA": 0.1}, {"label": "NORMAL", "decision": "negative"}, ["negative"]),
    ],
)
def test_the_films_one_decision_is_told_apart_for_each_finding(probabilities, changes, decisions) -> None:
    record = analysis(film(), probabilities, **changes)

    assert [finding_answer(record, point) for point in record.operating_points] == [
        (each, "high") for each in decisions
    ]


def test_findings_that_are_judged_by_themselves_keep_their_own_decisions_and_bands() -> None:
    record = several(film())

    assert [finding_answer(record, point) for point in record.operating_points] == [
        ("positive", "high"),
        ("indeterminate", "low"),
        ("negative", "high"),
    ]
