"""The summary of a study of several films: which were read, what was decided, and which were not read and why.

Source: DICOM PS3.16 TID 2000 (Basic Diagnostic Imaging Report), 2002; CID 7000, 7001, 7002.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord, ObjectReference
from schemas.api import DISCLAIMER
from schemas.version import VERSION
from service.results import codes as terms
from service.results.history.header import give_header
from service.results.history.observer import service_observer
from service.results.history.predecessors import name_predecessors
from service.results.source import MANUFACTURER
from service.results.times import date_object
from service.results.uids import derived_uid

SERIES_NUMBER: Final = 9900
_CONTAINS: Final = RelationshipTypeValues.CONTAINS
_TITLE: Final = Code("18748-4", "LN", "Diagnostic imaging study")
_SECTIONS: Final = {
    "findings": (Code("121070", terms.DICOM, "Findings"), terms.FINDING),
    "others": (
        Code("121064", terms.DICOM, "Current Procedure Descriptions"),
        Code("121065", terms.DICOM, "Procedure Description"),
    ),
    "conclusions": (Code("121076", terms.DICOM, "Conclusions"), Code("121077", terms.DICOM, "Conclusion")),
}


@dataclass(frozen=True, slots=True)
class FilmLine:
    """One film of the study."""

    number: int
    """InstanceNumber of its results."""
    sop_instance_uid: str
    record: AnalysisRecord | None
    """None: it was not analysed, or its results were withdrawn."""
    why: str = ""
    """Why there is no record, in words."""

    @property
    def is_answered(self) -> bool:
        """Whether something was decided about it."""
        return self.record is not None and self.record.prediction.decision != "abstain"

    @property
    def words(self) -> str:
        """What the summary states of it."""
        if self.record is None:
            return f"Film {self.number}: {self.why}."
        prediction = self.record.prediction
        if not self.is_answered:
            if "not_frontal" in self.record.image.warnings:
                return f"Film {self.number}: not a frontal film, e.g. a lateral one; no finding is reported of it."
            reasons = [terms.reason_code(reason).meaning.lower() for reason in prediction.abstention_reasons]
            return f"Film {self.number}: not answered ({', '.join(reasons) or 'no answer'})."
        decisions = [
            f"{point.finding} {terms.finding_answer(self.record, point)[0]}" for point in self.record.operating_points
        ]
        return f"Film {self.number}: {', '.join(decisions)} ({self.record.model.name} {self.record.model.version})."


@dataclass(frozen=True, slots=True)
class Edition:
    """One of the summaries of a study."""

    content_sha256: str
    """Of what it states: another content has another UID."""
    version: int
    """From 1; its InstanceNumber."""
    predecessors: Sequence[ObjectReference]
    """The summaries that it replaces."""
    at: datetime
    """When it is written."""


def summary_key(study_instance_uid: str) -> str:
    """The identifier of a study's summary in the service, whatever its version."""
    return derived_uid(study_instance_uid, "summary")


def study_summary(films: Sequence[FilmLine], header: Dataset, edition: Edition) -> Dataset:
    """Write the summary; films that are not answered are named apart from the findings.

    Args:
        films: of the study, at least one of them analysed.
        header: whose they are (`service.results.history.header`).
        edition: which summary of the study it is.
    """
    study = str(header.StudyInstanceUID)
    summary = ComprehensiveSR(
        evidence=[_as_evidence(film.record) for film in films if film.record is not None],
        content=_content(films),
        series_instance_uid=derived_uid(study, "summary series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid(study, "summary", edition.content_sha256, str(edition.version)),
        instance_number=edition.version,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=terms.OURS_NAME,
        software_versions=f"{MANUFACTURER} {VERSION}",
        device_serial_number=VERSION,
        series_description="Summary of the study (research use only)",
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    name_predecessors(summary, edition.predecessors)
    give_header(summary, header)
    date_object(summary, edition.at, str(header.TimezoneOffsetFromUTC))
    return summary


def _content(films: Sequence[FilmLine]) -> ContainerContentItem:
    root = ContainerContentItem(_coded(_TITLE), template_id="2000")
    language = CodedConcept("en-US", "RFC5646", "English (United States)")
    positive = sum(film.record is not None and film.record.prediction.decision == "positive" for film in films)
    answered = [film for film in films if film.is_answered]
    conclusion = f"{len(films)} films: {len(answered)} answered, {positive} of them positive. {DISCLAIMER}"
    sections = {
        "findings": [_text("findings", film.words, film.record) for film in answered],
        "others": [_text("others", film.words, film.record) for film in films if not film.is_answered],
        "conclusions": [_text("conclusions", conclusion, None)],
    }
    root.ContentSequence = ContentSequence(
        [
            *LanguageOfContentItemAndDescendants(language=language),
            *service_observer(),
            *(_section(name, items) for name, items in sections.items() if items),
        ]
    )
    return root


def _section(name: str, items: Sequence[TextContentItem]) -> ContainerContentItem:
    section = ContainerContentItem(_coded(_SECTIONS[name][0]), relationship_type=_CONTAINS)
    section.ContentSequence = ContentSequence(items)
    return section


def _text(section: str, words: str, record: AnalysisRecord | None) -> TextContentItem:
    text = TextContentItem(_coded(_SECTIONS[section][1]), words, relationship_type=_CONTAINS)
    if record is not None:
        image = ImageContentItem(
            name=CodedConcept("260753009", terms.SNOMED, "Source"),
            referenced_sop_class_uid=record.sop_class_uid,
            referenced_sop_instance_uid=record.sop_instance_uid,
            relationship_type=RelationshipTypeValues.INFERRED_FROM,
        )
        text.ContentSequence = ContentSequence([image])
    return text


def _as_evidence(record: AnalysisRecord) -> Dataset:
    """What highdicom asks of a film, and no patient that it could log."""
    film = Dataset()
    film.StudyInstanceUID = record.study_instance_uid
    film.SeriesInstanceUID = record.series_instance_uid
    film.SOPClassUID = record.sop_class_uid
    film.SOPInstanceUID = record.sop_instance_uid
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"):
        setattr(film, keyword, "")
    for keyword in ("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"):
        setattr(film, keyword, "")
    return film


def _coded(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme_designator, code.meaning)
