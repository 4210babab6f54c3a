"""How films lie, by their PatientOrientation, and that they are put upright pixel by pixel."""

import numpy as np
import pytest

from imaging.decode import decode
from imaging.dicom.header.hanging import hanging_of
from imaging.phantom import phantom
from imaging.preprocess import prepare
from schemas.preprocess import ClaheSpec, PreprocessSpec
from tests.imaging.files import dicom_bytes, dicom_dataset

UPRIGHT = phantom(40, 28, seed=3, opacity=0.7)
LYING = {
    r"L\F": UPRIGHT,
    r"R\F": UPRIGHT[:, ::-1],
    r"L\H": UPRIGHT[::-1],
    r"R\H": UPRIGHT[::-1, ::-1],
    r"F\L": UPRIGHT.T,
    r"F\R": UPRIGHT[:, ::-1].T,
    r"H\L": UPRIGHT[::-1].T,
    r"H\R": UPRIGHT[::-1, ::-1].T,
}
"""The same film in the eight ways in which it can lie, by what its file then states."""


def film(orientation, pixels=UPRIGHT, **attributes):
    stated = {} if orientation is None else {"PatientOrientation": orientation.split("\\")}
    return decode(dicom_bytes(dicom_dataset(np.ascontiguousarray(pixels), **stated, **attributes)))


@pytest.mark.parametrize("orientation", LYING)
def test_a_film_is_put_upright_whatever_way_it_lies_and_its_own_pixels_stay(orientation) -> None:
    lying = film(orientation, LYING[orientation], PixelAspectRatio=[2, 1])

    upright = lying.put_upright()

    assert np.array_equal(lying.pixels, LYING[orientation])
    assert (lying.rows, lying.columns) == LYING[orientation].shape
    assert np.array_equal(upright.pixels, UPRIGHT)
    assert (upright.rows, upright.columns) == UPRIGHT.shape
    assert upright.pixel_aspect == (0.5 if orientation[0] in "FH" else 2)
    assert ("put_upright" in lying.warnings) == (orientation != r"L\F")


@pytest.mark.parametrize(
    "spec",
    [
        PreprocessSpec(size=32),
        PreprocessSpec(size=32, resize="pad"),
        PreprocessSpec(size=16, resize="crop", shorter_side=20),
        PreprocessSpec(size=32, intensity="percentile", clahe=ClaheSpec(clip_limit=2, grid=4)),
    ],
)
@pytest.mark.parametrize("orientation", LYING)
def test_the_network_sees_the_same_film_whatever_way_it_lies(orientation, spec) -> None:
    expected = prepare(film(None), spec)

    assert np.array_equal(prepare(film(orientation, LYING[orientation]), spec), expected)


def test_a_film_larger_than_a_band_is_put_upright_too() -> None:
    large = phantom(2100, 2000, seed=1)
    expected = prepare(film(None, large), PreprocessSpec(size=64))

    for orientation, lying in ((r"R\F", large[:, ::-1]), (r"F\L", large.T)):
        assert np.abs(prepare(film(orientation, lying), PreprocessSpec(size=64)) - expected).max() < 1e-5


@pytest.mark.parametrize("orientation", [r"LF\F", r"L\FA", r"l\f", r"L \F "])
def test_the_main_direction_counts(orientation) -> None:
    assert hanging_of(orientation.split("\\")) == hanging_of(["L", "F"])


@pytest.mark.parametrize("orientation", [r"A\F", r"P\F", r"AR\F", r"F\A"])
def test_a_film_whose_side_is_the_patients_front_or_back_is_a_lateral_one(orientation) -> None:
    lies = hanging_of(orientation.split("\\"))

    assert (lies.lateral, lies.turn.changes) == (True, False)
    assert film(orientation).header.frontal is False


@pytest.mark.parametrize("orientation", ["L", r"L\R", r"X\Y", r"L\ ", r"L\F\H", r"A\P", r"A\R"])
def test_directions_that_no_film_has_are_noted_and_the_film_is_read_as_it_lies(orientation) -> None:
    lying = film(orientation)

    assert "orientation_unreadable" in lying.warnings
    assert not lying.turn.changes


@pytest.mark.parametrize("orientation", [None, "", "\\"])
def test_a_film_that_states_no_orientation_is_read_as_it_lies(orientation) -> None:
    lying = film(orientation)

    assert (lying.warnings, lying.turn.changes) == ((), False)
