"""The film under its heat map as a DICOM Secondary Capture: a picture that every viewer shows, with its explanation.

Source: DICOM PS3.3 A.8.1, C.8.6 (Secondary Capture modules), C.7.6.1 (General Image).
"""

import io
import textwrap
from collections.abc import Callable
from typing import Final

import numpy as np
from highdicom import CoordinateSystemNames
from highdicom.sc import ConversionTypeValues, SCImage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from imaging.radiograph import UPRIGHT, Turn
from schemas.analysis import AnalysisRecord, ExplainedFinding
from schemas.api import Prediction
from service.results import codes as terms
from service.results.anatomy import patient_orientation, state_lossy_compression, state_region, turn_of
from service.results.contributor import coded, contributor
from service.results.source import equipment
from service.results.uids import derived_uid

SERIES_NUMBER: Final = 9902
NARROWEST: Final = 512
"""Width in pixels below which the picture is enlarged, so that what is burned in can be read."""
TALLEST: Final = 2048
"""Largest height to which the overlay is enlarged: a film of 65,535 x 1 pixels would give 524,288 rows, 0.8 GB."""

_LETTERS = 70  # that a line of the picture's width holds
_BACKGROUND = (0, 0, 0)
_WHITE = (255, 255, 255)
_YELLOW = (255, 220, 0)


def secondary_capture(
    film: Dataset, source: Dataset, record: AnalysisRecord, explained: ExplainedFinding, overlay_png: bytes
) -> Dataset:
    """Write the picture: it lies as the film was sent, and states the same directions.

    Args:
        film: `service.results.source.evidence`.
        source: how the film lies, what it shows, and whether its compression lost something.
        record: what is burned in.
        explained: what the heat map explains.
        overlay_png: RGB, the heat map over the film (`imaging.overlay`).
    """
    model = record.model
    picture = SCImage(
        pixel_array=labelled(overlay_png, _lines(record, explained), turn_of(source)),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),
        study_instance_uid=record.study_instance_uid,
        series_instance_uid=derived_uid(record.study_instance_uid, model.sha256, "SC series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid(record.sop_instance_uid, model.sha256, "SC"),
        instance_number=film.InstanceNumber,
        **equipment(record),
        contributing_equipment=[contributor(record)],
        series_description="Heat map (research use only)",
    )
    # What a viewer does to hang the film it then does to the picture; empty where the film states nothing.
    picture["PatientOrientation"].value = patient_orientation(source)
    picture.ConversionType = ConversionTypeValues.WSD.value
    picture.BurnedInAnnotation = "YES"
    picture.DerivationDescription = (
        f"{explained.method} heat map of {explained.finding} by {model.name} {model.version} over the film"
    )
    picture.DerivationCodeSequence = [coded(code) for code in terms.DERIVATIONS]
    picture.SourceImageSequence = [_reference(film)]
    state_lossy_compression(picture, source)
    state_region(picture, source)
    return picture


def labelled(overlay_png: bytes, lines: list[str], turn: Turn = UPRIGHT) -> NDArray[np.uint8]:
    """The overlay at its aspect, with lines of text below it where they cover nothing, and black beside a narrow one.

    A film that lies mirrored or turned has the text twice: as the film was sent, and as it reads once a viewer has put
    the picture upright.

    Args:
        overlay_png: RGB, as the film was sent.
        lines: the first is set apart by its colour.
        turn: what puts the film upright.

    Returns:
        uint8 RGB [H, W, 3], H or W at least `NARROWEST`.
    """
    picture = _captioned(_legible(overlay_png), lines)
    if turn.changes:
        upright = _captioned(_turned(picture, turn.upright), lines)
        picture = _turned(upright, turn.as_sent)
    return np.asarray(picture)


def _turned(picture: Image.Image, turn: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Image.Image:
    return Image.merge("RGB", [Image.fromarray(turn(np.asarray(band))) for band in picture.split()])


def _legible(overlay_png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(overlay_png), formats=("PNG",)) as opened:
        overlay = opened.convert("RGB")
    if overlay.width < NARROWEST:
        scale = min(NARROWEST / overlay.width, TALLEST / overlay.height)
        enlarged = max(1, round(overlay.width * scale)), max(1, round(overlay.height * scale))
        overlay = overlay.resize(enlarged, Image.Resampling.BICUBIC)
    return overlay


def _captioned(overlay: Image.Image, lines: list[str]) -> Image.Image:
    width = max(overlay.width, NARROWEST)
    size = width / (0.54 * _LETTERS)  # a letter of the font is about 0.54 of its size wide, capitals counted
    font = ImageFont.load_default(size)
    margin = round(size / 2)
    wrapped = [(row, number) for number, line in enumerate(lines) for row in _rows(line, font, width - 2 * margin)]
    step = round(1.4 * size)
    picture = Image.new("RGB", (width, overlay.height + step * len(wrapped) + step // 2), _BACKGROUND)
    picture.paste(overlay, ((width - overlay.width) // 2, 0))
    draw = ImageDraw.Draw(picture)
    for row, (part, number) in enumerate(wrapped):
        place = margin, overlay.height + step * row + step // 4
        draw.text(place, part, font=font, fill=_WHITE if number else _YELLOW)
    return picture


def _rows(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> list[str]:
    """Break a line where it would leave `width`; a word of more than half a line's letters is broken too."""
    rows = [""]
    for part in (part for word in line.split() for part in textwrap.wrap(word, _LETTERS // 2)):
        longer = f"{rows[-1]} {part}".strip()
        if font.getlength(longer) <= width:
            rows[-1] = longer
        else:
            rows.append(part)
    return rows


def _lines(record: AnalysisRecord, explained: ExplainedFinding) -> list[str]:
    prediction = record.prediction
    model = record.model
    alone = record.activation == "sigmoid"
    finding = prediction.operating_point.finding
    reached = [finding.name for finding in prediction.findings if finding.decision == "positive"]
    looked_for = [point.finding for point in record.operating_points]
    answer = {
        "positive": f"{', '.join(reached) if alone else prediction.label}: operating point reached",
        "negative": f"{', '.join(looked_for) if alone else finding}: operating point not reached",
        "abstain": "No answer: the film has to be read without one",
    }[prediction.decision]
    probability = f"probability of {finding} {prediction.probabilities[finding]:.2f}"
    figures = [
        f"{answer}. {prediction.confidence_band.capitalize()} confidence, {probability}",
        *([_each(prediction)] if alone else []),
    ]
    return [
        "RESEARCH USE ONLY - NOT FOR DIAGNOSIS",
        *([answer] if prediction.decision == "abstain" else figures),  # a figure beside no answer is read as one
        f"Heat map ({explained.method}) of {explained.finding}: no localisation of disease",
        f"{model.name} {model.version} ({model.sha256[:12]}), {record.analysed_at:%Y-%m-%d %H:%M} UTC",
    ]


def _each(prediction: Prediction) -> str:
    """Each finding that is judged by itself."""
    words = {"abstain": "no answer"}
    return ", ".join(
        f"{finding.name} {finding.probability:.2f} {words.get(finding.decision, finding.decision)}"
        for finding in prediction.findings
    )


def _reference(film: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = film.SOPClassUID
    reference.ReferencedSOPInstanceUID = film.SOPInstanceUID
    reference.PurposeOfReferenceCodeSequence = [coded(terms.SOURCE_IMAGE)]
    return reference
