"""The heat map's outline on the original film, as a DICOM Grayscale Softcopy Presentation State.

Source: DICOM PS3.3 A.33.1; C.10.5 (Graphic Annotation), C.11.8 (Softcopy VOI LUT), C.11.6 (Softcopy
Presentation LUT).
"""

import copy

import cv2
import numpy as np
from highdicom.color import CIELabColor
from highdicom.content import PresentationLUTTransformation
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import DSfloat

from imaging.dicom.attributes import items, numbers, text
from imaging.dicom.lookup_tables import is_complete
from imaging.dicom.value_of_interest import usable_window
from imaging.limits import parsing
from schemas.analysis import AnalysisRecord, ExplainedFinding
from service.results.anatomy import turn_of
from service.results.contributor import contributor
from service.results.display import caption, display_upright, displayed_width
from service.results.source import equipment
from service.results.uids import derived_uid

SERIES_NUMBER = 9903
HALF_MAXIMUM = 128  # of the map's 255
_YELLOW = (80.0, 0.0, 75.0)  # CIELab, as PS3.3 C.10.7 wants it
_MOST_OUTLINES = 16
_TOLERANCE = 0.5  # of a cell of the map: what a corner of an outline may be off
_WORDS = {"OW": "u2", "OL": "u4", "OF": "u4", "OV": "u8", "OD": "u8"}  # whose bytes pydicom keeps in the file's order


def presentation_state(
    film: Dataset,
    source: Dataset,
    record: AnalysisRecord,
    explained: ExplainedFinding,
    heat: NDArray[np.uint8],
) -> Dataset | None:
    """Draw the outlines.

    Args:
        film: `service.results.source.evidence`.
        source: how the film is to be shown.
        record: whose UIDs and model are named.
        explained: what the map explains.
        heat: uint8 [h, w], over the whole film: 255 is the map's maximum.

    Returns:
        None where the map has no heat, or the film is in colour, which no grayscale state may refer to.
    """
    rows, columns = record.image.rows, record.image.columns
    outlines = half_maximum_outlines(heat, rows, columns)
    if not outlines or not record.image.photometric_interpretation.startswith("MONOCHROME"):
        return None
    text_object = caption(_caption(record, explained), displayed_width(source, rows, columns, turn_of(source)))
    state = _drawn(film, record, explained, outlines, text_object)
    state.ContributingEquipmentSequence = [contributor(record)]
    display_upright(state, source, rows, columns, turn_of(source))
    state.PresentationLUTShape = _lut_shape(source, record)
    _show_like(state, source)
    return state


def _drawn(
    film: Dataset,
    record: AnalysisRecord,
    explained: ExplainedFinding,
    outlines: list[NDArray[np.float64]],
    text_object: TextObject,
) -> Dataset:
    """The state with its graphics; how it shows the film is not said yet."""
    model = record.model
    layer = GraphicLayer("HEATMAP", order=1, description="Outline of the heat map", display_color=CIELabColor(*_YELLOW))
    return GrayscaleSoftcopyPresentationState(
        referenced_images=[film],
        series_instance_uid=derived_uid(record.study_instance_uid, model.sha256, "PR series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid(record.sop_instance_uid, model.sha256, "PR"),
        instance_number=film.InstanceNumber,
        **equipment(record),
        content_label="HEATMAP OUTLINE",
        content_description=f"{explained.finding}: {explained.method} at half maximum"[:64],
        series_description="Heat map outline (research use only)",
        graphic_layers=[layer],
        graphic_annotations=[_annotation(film, layer, text_object, outlines)],
        presentation_lut_transformation=PresentationLUTTransformation("IDENTITY"),
    )


def half_maximum_outlines(heat: NDArray[np.uint8], rows: int, columns: int) -> list[NDArray[np.float64]]:
    """Closed outlines of the regions that are at least half as hot as the hottest, the largest first.

    Args:
        heat: [h, w], over the whole film.
        rows: height of the film in pixels.
        columns: width of the film in pixels.

    Returns:
        [N, 2] each: column and row in pixels; (0, 0) is the top left corner of the top left pixel and
        (`columns`, `rows`) the bottom right corner of the last (PS3.3 C.10.5.1.2).
    """
    hot = np.pad((heat >= HALF_MAXIMUM).astype(np.uint8), 1)
    contours, _ = cv2.findContours(hot, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    scale = np.array([columns / heat.shape[1], rows / heat.shape[0]])
    largest = sorted(contours, key=lambda outline: (-cv2.contourArea(outline), outline.ravel().tolist()))
    outlines = []
    for outline in largest[:_MOST_OUTLINES]:
        corners = cv2.approxPolyDP(outline, _TOLERANCE, closed=True)[:, 0]
        if len(corners) > 2:  # noqa: PLR2004, fewer enclose nothing
            # Back from the padding, then from cells' centres to the film's corners.
            points = (np.vstack([corners, corners[:1]]) - 1 + 0.5) * scale
            outlines.append(np.clip(points, 0, [columns, rows]))
    return outlines


def _annotation(
    film: Dataset, layer: GraphicLayer, text_object: TextObject, outlines: list[NDArray[np.float64]]
) -> GraphicAnnotation:
    return GraphicAnnotation(
        referenced_images=[film],
        graphic_layer=layer,
        graphic_objects=[
            GraphicObject(GraphicTypeValues.POLYLINE, outline, units=AnnotationUnitsValues.PIXEL)
            for outline in outlines
        ],
        text_objects=[text_object],
    )


def _caption(record: AnalysisRecord, explained: ExplainedFinding) -> str:
    name = f"{record.model.name} {record.model.version}"
    return f"{explained.finding}: {explained.method} at half maximum, {name}. No localisation. Research use only."


def _lut_shape(source: Dataset, record: AnalysisRecord) -> str:
    """As `imaging.dicom.decode` shows the film: the state's shape replaces the film's own polarity (PS3.4 N.2.3)."""
    is_inverse = text(source, "PresentationLUTShape") == "INVERSE"
    return "INVERSE" if is_inverse or record.image.photometric_interpretation == "MONOCHROME1" else "IDENTITY"


def _show_like(state: Dataset, source: Dataset) -> None:
    """Keep the film's modality transformation, and its VOI LUTs or first window that can be applied.

    Without one of these the whole range is shown.
    """
    slope, intercept = (numbers(source, keyword)[:1] for keyword in ("RescaleSlope", "RescaleIntercept"))
    if items(source, "ModalityLUTSequence"):
        state.ModalityLUTSequence = _copied(source, "ModalityLUTSequence")
    elif slope or intercept:  # a writer who leaves one of them out means that it changes nothing
        state.RescaleSlope = _decimal(*(slope or (1,)))
        state.RescaleIntercept = _decimal(*(intercept or (0,)))
        state.RescaleType = text(source, "RescaleType") or "US"
    shown = Dataset()
    tables = items(source, "VOILUTSequence")
    window = usable_window(source)
    if any(map(is_complete, tables)):
        shown.VOILUTSequence = Sequence(filter(is_complete, _copied(source, "VOILUTSequence")))
    elif window is not None:
        center, width, function = window
        shown.WindowCenter = _decimal(center)
        shown.WindowWidth = _decimal(width)
        if function != "LINEAR":
            shown.VOILUTFunction = function
    else:
        return
    state.SoftcopyVOILUTSequence = [shown]


def _decimal(value: float) -> DSfloat:
    """A decimal string of at most 16 characters: PS3.5 6.2."""
    return DSfloat(value, auto_format=True)


def _copied(source: Dataset, keyword: str) -> Sequence:
    """A sequence of the film for a data set that is written in little endian."""
    with parsing(keyword):
        copied: Sequence = copy.deepcopy(source[keyword].value)
        if source.original_encoding[1] is False:
            for item in copied:
                item.walk(_swap)  # nested items too
    return copied


def _swap(_: Dataset, element: DataElement) -> None:
    if element.VR in _WORDS and element.value:
        element.value = np.frombuffer(element.value, _WORDS[element.VR]).byteswap().tobytes()
