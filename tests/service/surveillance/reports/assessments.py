"""Assessments of our results as DICOM SR, made by highdicom as a workstation makes them."""

from typing import Any

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    ImageContentItem,
    RelationshipTypeValues,
)
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from service.results.source import evidence
from tests.imaging.files import dicom_bytes
from tests.service.results.films import analysis

CONTAINS = RelationshipTypeValues.CONTAINS
ASSESSMENT = ("ASSESSMENT", "99CXR", "Assessment of an AI result")
RESULT_ASSESSMENT = ("X1", "99PACS", "AI Result Assessment")
FINDING = ("121071", "DCM", "Finding")
PNEUMONIA = ("233604007", "SCT", "Pneumonia")
ABSENT = ("2667000", "SCT", "Absent")
PRESENT = ("52101004", "SCT", "Present")


def code(name: tuple[str, str, str], value: tuple[str, str, str]) -> CodeContentItem:
    return CodeContentItem(CodedConcept(*name), CodedConcept(*value), relationship_type=CONTAINS)


def verdict(word: str) -> tuple[str, str, str]:
    return (word.upper(), "99CXR", word.capitalize())


def assessment(film: Dataset, *items: Any, about: Dataset | None = None, links: bool = True) -> bytes:
    """An SR with one group of these items; it refers to the film in its evidence, or to another object `about`."""
    film = evidence(film, analysis(film))
    root = ContainerContentItem(CodedConcept("126000", "DCM", "Imaging Measurement Report"), template_id="1500")
    group = ContainerContentItem(CodedConcept("125007", "DCM", "Measurement Group"), relationship_type=CONTAINS)
    image = ImageContentItem(
        CodedConcept("260753009", "SCT", "Source"), film.SOPClassUID, film.SOPInstanceUID, relationship_type=CONTAINS
    )
    group.ContentSequence = ContentSequence([*items, *([image] if links else [])])
    root.ContentSequence = ContentSequence([group])
    report = ComprehensiveSR(
        evidence=[film, *([] if about is None else [about])] if links or about is None else [about],
        content=root,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="A workstation",
        is_complete=True,
        is_final=True,
        is_verified=False,
    )
    return dicom_bytes(report)
