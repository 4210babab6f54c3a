"""A reader's assessment of our results as a DICOM SR."""

import pytest

from schemas.errors import InvalidImageError
from schemas.monitoring import VerdictRequest
from service.results.source import evidence
from service.results.structured_report import structured_report
from service.surveillance.reports.assessment import read_assessment
from service.surveillance.statements import FilmName
from tests.imaging.files import dicom_bytes
from tests.service.results.films import analysis, film
from tests.service.surveillance.reports.assessments import (
    ABSENT,
    ASSESSMENT,
    FINDING,
    PNEUMONIA,
    PRESENT,
    RESULT_ASSESSMENT,
    assessment,
    code,
    verdict,
)

FILM = film(PatientName="Miller^Anne")
EFFUSION = ("60046008", "SCT", "Pleural effusion")
SEVERAL = ("PNEUMONIA", "Effusion")


def read(*items, findings=SEVERAL, **more):
    return read_assessment(assessment(FILM, *items, **more), findings)


@pytest.mark.clause(
    "IHE AIRA assessment",
    "an SR with a verdict on results is taken in (codes are ours: those of IHE were not at hand)",
)
@pytest.mark.parametrize("word", ["accept", "reject"])
def test_an_assessment_in_our_codes_is_of_the_film_that_it_refers_to(word) -> None:
    said = read(code(ASSESSMENT, verdict(word)))

    assert said.film == FilmName(sop_instance_uid=FILM.SOPInstanceUID)
    assert (said.source, said.request) == ("sr", VerdictRequest(verdict=word))


@pytest.mark.clause("IHE AIRA assessment", "codes of other schemes are read by their meaning")
@pytest.mark.parametrize(
    ("meaning", "word"), [("Accepted by reader", "accept"), ("Agree", "accept"), ("Rejected", "reject")]
)
def test_codes_of_other_schemes_are_read_by_their_meaning(meaning, word) -> None:
    assert read(code(RESULT_ASSESSMENT, ("A1", "99PACS", meaning))).request.verdict == word


def test_a_finding_beside_it_names_what_was_assessed() -> None:
    said = read(code(FINDING, PNEUMONIA), code(ASSESSMENT, verdict("reject")))

    assert said.request == VerdictRequest(verdict="reject", findings=("PNEUMONIA",))


def test_a_modified_result_states_which_findings_are_present() -> None:
    said = read(
        code(FINDING, PNEUMONIA), code(ASSESSMENT, verdict("modify")), code(PNEUMONIA, ABSENT), code(EFFUSION, PRESENT)
    )

    assert said.request == VerdictRequest(verdict="modify", corrected={"PNEUMONIA": "absent", "Effusion": "present"})


@pytest.mark.parametrize(
    "items",
    [
        (code(ASSESSMENT, verdict("modify")),),
        (code(ASSESSMENT, verdict("accept")), code(ASSESSMENT, verdict("reject"))),
    ],
)
def test_a_modification_that_does_not_say_what_is_right_is_refused(items) -> None:
    with pytest.raises(InvalidImageError, match="which findings are present"):
        read(*items)


def test_an_sr_that_assesses_nothing_is_none_and_neither_is_our_own() -> None:
    assert read(code(FINDING, PNEUMONIA)) is None
    assert read(code(RESULT_ASSESSMENT, ("A9", "99PACS", "Pending"))) is None
    assert (
        read_assessment(dicom_bytes(structured_report(evidence(FILM, analysis(FILM)), analysis(FILM))), SEVERAL) is None
    )


def test_it_may_refer_to_our_sr_instead_of_the_film() -> None:
    ours = structured_report(evidence(FILM, analysis(FILM)), analysis(FILM))

    said = read(code(ASSESSMENT, verdict("accept")), about=ours, links=False)

    assert said.film == FilmName(report_instance_uid=ours.SOPInstanceUID)


def test_an_assessment_of_two_films_is_refused() -> None:
    source = film(SOPInstanceUID="1.2.3.4.6")
    other = evidence(source, analysis(source))

    with pytest.raises(InvalidImageError, match="refers to 2 films"):
        read(code(ASSESSMENT, verdict("accept")), about=other)
