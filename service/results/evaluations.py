"""What the report states in codes: of each finding, and of the film as a whole what was done with it and what not."""

from typing import Final

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentSequence,
    RelationshipTypeValues,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from schemas.model.calibration import OperatingPoint
from service.results import codes as terms
from service.results.contributor import coded
from service.results.uids import derived_uid

NOT_DONE: Final = (
    "Not done: no disease was localised, the film was not compared with another one, and nothing but the findings in "
    "this report was looked for"
)
_NOT_ASSESSED: Final = frozenset(("not_frontal", "outside_population", "suspended", "silent"))
"""Reasons for no answer that do not come from the film's findings: none of them was assessed."""


def tracking(record: AnalysisRecord, finding: str) -> TrackingIdentifier:
    """One finding of one film by one algorithm: the same for every version of it, and however often the film is read.

    Source: DICOM PS3.16 TID 1501 rows 2 and 3.
    """
    name = record.model.name
    uid = derived_uid(record.sop_instance_uid, name, "finding", finding)
    return TrackingIdentifier(uid=uid, identifier=f"{finding} by {name}")


def evaluations(record: AnalysisRecord, point: OperatingPoint) -> list[tuple[Code, Code]]:
    """Of one finding; a note has neither certainty nor the likeness to the training films."""
    decision, band = terms.finding_answer(record, point)
    presence = terms.PRESENCES[decision]
    named = [] if decision == "positive" else [(terms.finding_code(point.finding).code, presence)]
    reasons = [(terms.REASON, terms.reason_code(reason)) for reason in record.prediction.abstention_reasons]
    figures = [
        (terms.CONFIDENCE, terms.CONFIDENCES[band]),
        (terms.FAMILIARITY, terms.FAMILIARITIES[record.prediction.in_distribution]),
    ]
    return [*named, (terms.PRESENCE, presence), *([] if "note" in record.delivery else figures), *reasons]


def whole_film(record: AnalysisRecord) -> ContainerContentItem:
    """How far the analysis came, and what was not tried.

    Source: DICOM PS3.16 TID 1500 rows 12 to 14; CID 6042 (Status of Results), of the CAD templates.
    """
    container = ContainerContentItem(
        coded(terms.QUALITATIVE_EVALUATIONS), relationship_type=RelationshipTypeValues.CONTAINS
    )
    statuses = {terms.ANALYSES: _status(record), terms.DETECTIONS: terms.NOT_ATTEMPTED}
    container.ContentSequence = ContentSequence(
        [
            *(
                CodeContentItem(coded(name), coded(value), relationship_type=RelationshipTypeValues.CONTAINS)
                for name, value in statuses.items()
            ),
            comment_item(NOT_DONE),
        ]
    )
    return container


def _status(record: AnalysisRecord) -> Code:
    if _NOT_ASSESSED & set(record.prediction.abstention_reasons):
        return terms.NOT_ATTEMPTED
    unclear = [terms.finding_answer(record, point)[0] == "indeterminate" for point in record.operating_points]
    return terms.STATUSES["none" if all(unclear) else "some" if any(unclear) else "all"]


def comment_item(text: str) -> TextContentItem:
    """A remark for a reader."""
    return TextContentItem(name=coded(terms.COMMENT), value=text, relationship_type=RelationshipTypeValues.CONTAINS)
