"""One analysed film to the DICOM objects that go back to its archive: a pure function, byte for byte."""

from dataclasses import dataclass

import cv2
import numpy as np
from pydicom.dataset import Dataset

from imaging.overlay import HeatMap
from schemas.analysis import AnalysisRecord
from service.results.presentation_state import presentation_state
from service.results.secondary_capture import secondary_capture
from service.results.source import evidence, give_to_patient, set_times
from service.results.structured_report import structured_report


@dataclass(frozen=True, slots=True)
class ResultObjects:
    """What an archive stores in addition to the film, each with its file meta information."""

    sr: Dataset | None
    """None where the delivery policy has no report for this decision."""
    secondary_capture: Dataset | None
    """None where the bundle has no heat maps, or none is sent for this decision."""
    presentation_state: Dataset | None
    """None where there is no picture, the map has no heat, or the film colours."""


def result_objects(source: Dataset, record: AnalysisRecord, heat_map: HeatMap | None) -> ResultObjects:
    """Write the results of one film.

    Args:
        source: the film's data set; its pixels are not read.
        record: what was found in it, and which objects are wanted (`delivery`).
        heat_map: of `record.explanation`; None where there is none.

    Raises:
        InvalidImageError: the film's UIDs are missing or are not those of the record.
    """
    film = evidence(source, record)
    wanted = record.delivery
    picture = None
    state = None
    explained = record.explanation
    # A map of the class that means none of the findings would be read as the place of something.
    if heat_map is not None and explained is not None and explained.finding != record.negative_class:
        heat = cv2.imdecode(np.frombuffer(heat_map.heatmap_png, np.uint8), cv2.IMREAD_GRAYSCALE)
        if "picture" in wanted:
            picture = secondary_capture(film, source, record, explained, heat_map.overlay_png)
        if "outline" in wanted:
            state = presentation_state(film, source, record, explained, np.asarray(heat, np.uint8))
    report = structured_report(film, record, picture) if {"report", "note"} & set(wanted) else None
    for result in (report, picture, state):
        if result is not None:
            give_to_patient(result, source)
            set_times(result, source, record.analysed_at)
    return ResultObjects(report, picture, state)
