"""What stored DICOM values mean, from the standard's own formulas and published films."""

import math
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from imaging.decode import decode
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.imaging.files import dicom_bytes, dicom_dataset, lookup_table

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
FILM = phantom(12, 9, seed=2)


def film_of_every_value(bits: int, *, signed: bool) -> np.ndarray:
    """64 stored values from the smallest to the largest, [8, 8]."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    kind = ("i" if signed else "u") + ("1" if bits <= 8 else "2")
    return np.linspace(low, high, 64).round().astype(kind).reshape(8, 8)


def decoded(stored: np.ndarray, **attributes: Any) -> np.ndarray:
    return decode(dicom_bytes(dicom_dataset(stored, **attributes))).pixels


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_without_a_window_stored_values_keep_their_depth_over_the_whole_range(syntax, bits, signed, polarity) -> None:
    stored = film_of_every_value(bits, signed=signed)
    dataset = dicom_dataset(stored, bits_stored=bits, PhotometricInterpretation=polarity)

    radiograph = decode(dicom_bytes(dataset, syntax))

    above_smallest = stored.astype(int) - int(stored.min())
    bright = above_smallest if polarity == "MONOCHROME2" else 2**bits - 1 - above_smallest
    assert radiograph.pixels.tolist() == bright.tolist()
    assert radiograph.bits == bits
    assert radiograph.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert (radiograph.format, radiograph.rows, radiograph.columns) == ("dicom", 8, 8)
    assert radiograph.photometric_interpretation == polarity
    assert radiograph.warnings == ()


def test_bits_beside_the_stored_ones_are_ignored() -> None:
    stored = film_of_every_value(12, signed=False)
    clean = dicom_dataset(stored, bits_stored=12)
    with_overlay_bits = dicom_dataset(stored | 0xF000, bits_stored=12)
    with_overlay_bits.PixelData = (stored | 0xF000).tobytes()
    shifted = dicom_dataset(stored, bits_stored=12, HighBit=15, PixelData=(stored << 4).tobytes())

    for dataset in (clean, with_overlay_bits, shifted):
        assert decode(dicom_bytes(dataset)).pixels.tolist() == stored.tolist()


def test_a_rescale_of_negative_slope_turns_the_film() -> None:
    stored = film_of_every_value(10, signed=False)

    assert decoded(stored, bits_stored=10, RescaleSlope=-2, RescaleIntercept=7).tolist() == (1023 - stored).tolist()
    assert decoded(stored, bits_stored=10, RescaleSlope=0.5, RescaleIntercept=-7).tolist() == stored.tolist()


def linear(x: float, c: float, w: float) -> float:
    """PS3.3 C.11.2.1.2.1, as the standard writes it, from 0 to 1."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    if x > c - 0.5 + (w - 1) / 2:
        return 1
    return (x - (c - 0.5)) / (w - 1) + 0.5


def linear_exact(x: float, c: float, w: float) -> float:
    """PS3.3 C.11.2.1.3.2."""
    if x <= c - w / 2:
        return 0
    if x > c + w / 2:
        return 1
    return (x - c) / w + 0.5


def sigmoid(x: float, c: float, w: float) -> float:
    """PS3.3 C.11.2.1.3.1; beyond e**700 the quotient is 0 to any precision."""
    return 1 / (1 + math.exp(min(700, -4 * (x - c) / w)))


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (600, 300), (600.5, 1), (-20, 100), (1000, 2)])
@pytest.mark.parametrize(
    ("function", "brightness"),
    [(None, linear), ("LINEAR", linear), ("LINEAR_EXACT", linear_exact), ("SIGMOID", sigmoid)],
)
def test_a_window_is_applied_as_the_standard_writes_it_before_the_inversion(
    function, brightness, center, width, polarity
) -> None:
    stored = film_of_every_value(12, signed=True)
    attributes = {} if function is None else {"VOILUTFunction": function}

    pixels = decoded(
        stored,
        bits_stored=12,
        RescaleSlope=2,
        RescaleIntercept=100,
        WindowCenter=center,
        WindowWidth=width,
        PhotometricInterpretation=polarity,
        **attributes,
    )

    expected = [[brightness(2 * x + 100, center, width) for x in row] for row in stored.tolist()]
    if polarity == "MONOCHROME1":
        expected = [[1 - y for y in row] for row in expected]
    assert pixels.dtype == np.uint16
    assert np.abs(pixels - 65535 * np.array(expected)).max() <= 0.5 + 1e-6


def test_a_window_costs_no_depth() -> None:
    stored = np.arange(1000, 1064, dtype=np.uint16).reshape(8, 8)

    pixels = decoded(stored, bits_stored=12, WindowCenter=1032, WindowWidth=4096)

    assert len(np.unique(pixels)) == 64


def test_the_first_of_several_windows_is_applied_and_named() -> None:
    stored = film_of_every_value(12, signed=False)
    several = decode(dicom_bytes(dicom_dataset(stored, bits_stored=12, WindowCenter=[600, 40], WindowWidth=[300, 80])))

    assert several.pixels.tolist() == decoded(stored, bits_stored=12, WindowCenter=600, WindowWidth=300).tolist()
    assert several.warnings == ("multiple_windows",)


def test_empty_window_attributes_are_no_window() -> None:
    stored = film_of_every_value(12, signed=False)

    assert decoded(stored, bits_stored=12, WindowCenter="", WindowWidth="").tolist() == stored.tolist()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"WindowCenter": 1, "WindowWidth": 9, "VOILUTFunction": "MARKER"}, "VOILUTFunction is not one of LINEAR"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "leave no range of values"),
        ({"RescaleSlope": "nan", "RescaleIntercept": 0}, "RescaleSlope holds a value that is not a finite number"),
        ({"RescaleSlope": "7", "RescaleIntercept": "\\"}, "RescaleIntercept holds a value that is not a finite number"),
        ({"RescaleSlope": "1e308", "RescaleIntercept": 0}, "leave no range of values"),
        ({"HighBit": 3}, "HighBit does not fit"),
        ({"HighBit": 19}, "HighBit does not fit"),
        ({"Rows": None}, "Rows must hold one whole number"),
        ({"Rows": 0}, "each must be at least 1"),
        ({"Rows": 13}, "the film is truncated"),
        ({"NumberOfFrames": -1}, "each must be at least 1"),
    ],
)
def test_attributes_outside_the_standard_are_refused_without_their_value(attributes, message) -> None:
    with pytest.raises(InvalidImageError, match=message) as caught:
        decoded(FILM.astype(np.uint16), **attributes)

    assert "MARKER" not in str(caught.value)


def test_an_absurd_but_finite_window_saturates() -> None:
    pixels = decoded(FILM.astype(np.uint16), WindowCenter="-1e308", WindowWidth="1e-300", VOILUTFunction="SIGMOID")

    assert (pixels == 65535).all()


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_voi_table_is_looked_up_and_goes_before_a_window(syntax) -> None:
    stored = np.array([[0, 99, 100, 101], [102, 103, 104, 4000]], np.uint16)
    table = [0, 10, 500, 1023, 700]
    item = lookup_table(100, 10, table)
    if not syntax.is_little_endian:
        item[0].LUTData = np.array(table, ">u2").tobytes()
    dataset = dicom_dataset(stored, bits_stored=12, WindowCenter=5, WindowWidth=2, VOILUTSequence=item)

    radiograph = decode(dicom_bytes(dataset, syntax))

    expected = np.array([[0, 0, 0, 10], [500, 1023, 700, 700]]) / 1023 * 65535
    assert np.abs(radiograph.pixels - expected).max() <= 0.5
    assert radiograph.warnings == ("multiple_windows",)


def test_a_voi_table_over_rescaled_values_may_start_below_zero() -> None:
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    item = lookup_table(-2, 8, [0, 51, 102, 255], signed=True)

    pixels = decoded(stored, RescaleSlope=1, RescaleIntercept=-2, VOILUTSequence=item)

    assert pixels.tolist() == [[0, 13107, 26214, 65535]]


def test_a_modality_table_goes_before_the_window() -> None:
    stored = np.array([[-2, -1], [0, 1]], np.int16)
    item = lookup_table(-2, 12, [4000, 3000, 2000, 1000], signed=True)

    pixels = decoded(stored, ModalityLUTSequence=item, WindowCenter=2000.5, WindowWidth=4001)

    assert np.abs(pixels - np.array([[4000, 3000], [2000, 1000]]) / 4000 * 65535).max() <= 0.5


def test_a_table_of_65536_entries_states_zero_of_them() -> None:
    item = lookup_table(0, 16, list(range(65535, -1, -1))[:65535])
    item[0].LUTDescriptor = [0, 0, 16]
    item[0].LUTData = np.arange(65535, -1, -1).astype("<u2").tobytes()

    assert decoded(np.array([[0, 5, 65535]], np.uint16), VOILUTSequence=item).tolist() == [[65535, 65530, 0]]


def test_a_table_of_bytes_may_be_packed() -> None:
    item = lookup_table(0, 8, [0, 51, 102, 255])
    item[0].LUTData = bytes([0, 51, 102, 255])

    assert decoded(np.array([[0, 1, 2, 3]], np.uint8), VOILUTSequence=item).tolist() == [[0, 13107, 26214, 65535]]


@pytest.mark.parametrize(
    ("descriptor", "data", "message"),
    [
        ([4, 0], b"\0" * 8, "has 2 values instead of 3"),
        ([4, 0, 7], b"\0" * 8, "fewer than 8 or more than 16 bits"),
        ([4, 0, 17], b"\0" * 8, "fewer than 8 or more than 16 bits"),
        ([5, 0, 16], b"\0" * 8, "fewer entries"),
        ([4, 0, 10], b"\xff" * 8, "above the bits"),
        ([4, 0, 10], None, "must hold uncompressed bytes"),
    ],
)
def test_a_table_that_contradicts_its_descriptor_is_refused(descriptor, data, message) -> None:
    item = lookup_table(0, 16, [1, 2, 3, 4])
    item[0].LUTDescriptor = descriptor
    if data is None:
        del item[0].LUTData
    else:
        item[0].LUTData = data

    with pytest.raises(InvalidImageError, match=message):
        decoded(FILM, VOILUTSequence=item)


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_padding_is_black_in_either_polarity(syntax, polarity) -> None:
    stored = np.array([[-2000, -1500, -1, 0], [1, 2, 3, 2047]], np.int16)
    dataset = dicom_dataset(stored, bits_stored=12, PhotometricInterpretation=polarity)
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    dataset.add_new("PixelPaddingRangeLimit", "SS", -1500)

    pixels = decode(dicom_bytes(dataset, syntax)).pixels

    assert pixels[0, :2].tolist() == [0, 0]
    assert (pixels.ravel()[2:-1] > 0).all()
    assert decoded(np.array([[0, 3, 4]], np.uint8), PhotometricInterpretation=polarity, PixelPaddingValue=3)[0, 1] == 0


@pytest.mark.parametrize("name", ["RG1_UNCI.dcm", "RG3_UNCR.dcm", "vlut_04.dcm", "mlut_18.dcm"])
def test_published_films_come_out_as_pydicom_renders_them(name) -> None:
    path = get_testdata_file(name, download=False)
    assert path is not None
    dataset = pydicom.dcmread(path)
    dataset.Modality = "CR"

    radiograph = decode(dicom_bytes(dataset))

    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset).astype(float)
    largest = 2 ** (15 if name.startswith("RG1") else 10 if name.startswith("RG3") else 16) - 1
    bright = values / largest
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        bright = 1 - bright
    assert np.abs(radiograph.pixels / radiograph.largest_value - bright).max() < 2 / 65535
