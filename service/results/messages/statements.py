"""What messages state of a film, in codes and in words; DICOM objects state more (`structured_report`)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas.analysis import AnalysisRecord
from schemas.api import DISCLAIMER
from service.answers.guide import without_figures
from service.results import codes as terms
from service.results.structured_report import is_note

SINGLE_VIEW: Final = ("36554-4", "XR Chest Single view", "LN")
"""Of LOINC: what was read is one film, however many its study has."""
_WORDS: Final[Mapping[terms.FindingDecision, str]] = MappingProxyType(
    {"positive": "present", "negative": "absent", "indeterminate": "no answer"}
)


def shows_figures(record: AnalysisRecord) -> bool:
    """Whether messages may hold what was computed: not about a film of which the archive gets the short report.

    Nor where it gets nothing, if there is no answer: who sees a figure reads one.
    """
    return "report" in record.delivery or not (is_note(record) or record.prediction.decision == "abstain")


def recommendation_of(record: AnalysisRecord, *, figures: bool) -> str:
    """What follows of the analysis, with what was computed or without."""
    recommendation = record.prediction.recommendation
    return recommendation if figures else without_figures(recommendation)


def conclusion_of(record: AnalysisRecord, *, figures: bool) -> str:
    """What the report comes to, and that it is not for care."""
    return f"{recommendation_of(record, figures=figures)} {DISCLAIMER}"


def findings_of(record: AnalysisRecord) -> list[str]:
    """A line for each finding, in words."""
    return [f"{point.finding}: {_WORDS[terms.finding_answer(record, point)[0]]}" for point in record.operating_points]
