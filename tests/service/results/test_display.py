"""A presentation state shows the film upright, and its text inside what is displayed."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from imaging.dicom.header.hanging import hanging_of
from imaging.phantom import phantom
from imaging.radiograph import Turn
from service.results.display import (
    LETTER_WIDTH,
    LINE_HEIGHT,
    LONGEST_LINE,
    MARGIN,
    SHORTEST_LINE,
    caption,
    display_upright,
    displayed_width,
    rotation,
)
from service.results.objects import result_objects
from tests.imaging.files import dicom_bytes
from tests.service.results.films import COLUMNS, ROWS, analysis, film, heat_map

RENDERER = Path("/usr/bin/dcmp2pgm")
TURNS = [Turn(bool(bits & 4), bool(bits & 2), bool(bits & 1)) for bits in range(8)]
ORIENTATIONS = [right + down for pair in ("LR", "FH") for right in pair for down in ("FH" if pair == "LR" else "LR")]
TEXT = "PNEUMONIA: gradcam at half maximum, chest-xray-pneumonia 3.0.0. No localisation. Research use only."


@given(
    st.integers(1, 65535),
    st.integers(1, 65535),
    st.floats(0.1, 10),
    st.sampled_from(TURNS),
    st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=64),
)
@settings(max_examples=300, deadline=None)
def test_the_caption_lies_inside_what_is_displayed_whatever_the_film(rows, columns, aspect, turn, finding) -> None:
    source = Dataset()
    source.PixelAspectRatio = [max(1, round(aspect * 100)), 100]
    width = displayed_width(source, rows, columns, turn)

    text = caption(f"{finding}: {TEXT}", width)

    left, top, right, bottom = text.bounding_box
    assert text.BoundingBoxAnnotationUnits == "DISPLAY"  # of the displayed area, whichever that is
    assert 0 < left < right < 1
    assert 0 < top < bottom < 1
    lines = text.UnformattedTextValue.split("\r\n")
    assert max(map(len, lines)) <= LONGEST_LINE
    if (right - left) * width >= SHORTEST_LINE * LETTER_WIDTH:  # planned letters fit across
        assert max(map(len, lines)) * LETTER_WIDTH <= (right - left) * width + 1e-6
    assert bottom - top >= min(len(lines) * LINE_HEIGHT, 1 - 2 * MARGIN) - 1e-6
    assert "".join(text.UnformattedTextValue.split()) == "".join(f"{finding}: {TEXT}".split())


@pytest.mark.parametrize("turn", TURNS)
def test_rotating_and_mirroring_as_the_state_says_puts_the_film_upright(turn) -> None:
    pixels = np.arange(12).reshape(3, 4)

    degrees, flip = rotation(turn)

    shown = np.rot90(pixels, -degrees // 90)
    assert ((shown[:, ::-1] if flip == "Y" else shown) == turn.upright(pixels)).all()


@pytest.mark.parametrize("turn", TURNS)
def test_the_corners_are_those_of_the_upright_film(turn) -> None:
    column, row = np.meshgrid(np.arange(1, 5), np.arange(1, 4))
    state = Dataset()
    state.DisplayedAreaSelectionSequence = [Dataset()]

    display_upright(state, Dataset(), 3, 4, turn)

    (area,) = state.DisplayedAreaSelectionSequence
    for corner, place in ((area.DisplayedAreaTopLeftHandCorner, (0, 0)), (area.DisplayedAreaBottomRightHandCorner, -1)):
        at = place if place == (0, 0) else (-1, -1)
        assert corner == [turn.upright(column)[at], turn.upright(row)[at]]


def test_a_film_that_lies_upright_is_not_turned() -> None:
    for attributes in ({}, {"PatientOrientation": ["L", "F"]}, {"PatientOrientation": ["A", "F"]}):
        source = film(**attributes)
        state = result_objects(source, analysis(source), heat_map(source)).presentation_state

        assert "ImageRotation" not in state
        assert state.DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner == [COLUMNS, ROWS]


@pytest.mark.process
@pytest.mark.skipif(not RENDERER.exists(), reason="dcmp2pgm is not installed (Debian: dcmtk)")
@pytest.mark.clause("PS3.3 C.10.6", "a presentation state shows a film upright that lies otherwise")
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_dcmtk_shows_the_film_upright(orientation, tmp_path) -> None:
    source = film(PatientOrientation=list(orientation))
    state = result_objects(source, analysis(source), heat_map(source)).presentation_state
    (tmp_path / "film.dcm").write_bytes(dicom_bytes(source))
    dcmwrite(tmp_path / "state.dcm", state, enforce_file_format=True)

    arguments = [RENDERER, "-p", tmp_path / "state.dcm", tmp_path / "film.dcm", tmp_path / "shown.pgm"]
    subprocess.run(arguments, check=True, capture_output=True)

    with Image.open(tmp_path / "shown.pgm") as opened:
        shown = np.asarray(opened, np.float64)
    upright = hanging_of(list(orientation)).turn.upright(phantom(ROWS, COLUMNS, seed=1)).astype(np.float64)
    assert shown.shape == upright.shape
    assert np.corrcoef(shown.ravel(), upright.ravel())[0, 1] > 0.999
