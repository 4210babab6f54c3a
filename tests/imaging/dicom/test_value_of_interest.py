"""Windows and tables that cannot be applied: the usable one is taken, and what was passed over is named."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imaging.decode import decode
from imaging.radiograph import Radiograph
from schemas.errors import InvalidImageError
from tests.imaging.files import dicom_bytes, dicom_dataset, lookup_table

STORED = np.linspace(0, 4095, 64).round().astype(np.uint16).reshape(8, 8)
EXACT: Any = {"VOILUTFunction": "LINEAR_EXACT"}


def shown(
    *, raw: dict[str, bytes] | None = None, syntax: str = ExplicitVRLittleEndian, **attributes: Any
) -> Radiograph:
    """A film of 12 bits; `raw` replaces placeholders of the same length in the file, whatever they then mean."""
    data = dicom_bytes(dicom_dataset(STORED, bits_stored=12, **attributes), syntax)
    for placeholder, value in (raw or {}).items():
        assert data.count(placeholder.encode()) == 1
        data = data.replace(placeholder.encode(), value)
    return decode(data)


def table(entries: list[int], bits: int = 12, **attributes: Any) -> list[Dataset]:
    (item,) = lookup_table(0, bits, entries)
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return [item]


def explained_only() -> list[Dataset]:
    item = Dataset()
    item.LUTExplanation = "NORMAL"
    return [item]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(
    "sequence",
    [
        [Dataset()],
        explained_only(),
        table([1, 2], LUTDescriptor=[9, 0, 12]),
        table([1, 2], LUTDescriptor=[2, 0]),
        table([1, 2], LUTDescriptor=[2, 0, 40]),
        table([1, 0x1111], LUTDescriptor=[2, 0, 12]),
    ],
    ids=["empty", "explained", "too_short", "descriptor_of_2", "40_bits", "above_its_bits"],
)
def test_an_unusable_table_leaves_the_window_beside_it(sequence, syntax) -> None:
    radiograph = shown(VOILUTSequence=sequence, WindowCenter=600, WindowWidth=300, syntax=syntax)

    assert radiograph.pixels.tolist() == shown(WindowCenter=600, WindowWidth=300).pixels.tolist()
    assert radiograph.warnings == ("voi_unusable",)


def test_a_descriptor_without_a_value_leaves_the_window_beside_it() -> None:
    radiograph = shown(
        VOILUTSequence=table([1, 2], LUTDescriptor=None, LUTData=None), WindowCenter=600, WindowWidth=300
    )

    assert radiograph.pixels.tolist() == shown(WindowCenter=600, WindowWidth=300).pixels.tolist()
    assert radiograph.warnings == ("voi_unusable",)


def test_an_unusable_table_leaves_the_table_after_it() -> None:
    good = table([0, 4095])
    radiograph = shown(VOILUTSequence=[*table([1, 2], LUTDescriptor=[9, 0, 12]), *good])

    assert radiograph.pixels.tolist() == shown(VOILUTSequence=good).pixels.tolist()
    assert radiograph.warnings == ("voi_unusable",)


@pytest.mark.parametrize(
    ("attributes", "raw"),
    [
        ({"WindowCenter": [5, 600], "WindowWidth": [0, 300]}, {}),
        ({"WindowCenter": [5, 600], "WindowWidth": [-7, 300]}, {}),
        ({"WindowCenter": [5, 600], "WindowWidth": [0.5, 300]}, {}),
        ({"WindowCenter": ["77778", "600"], "WindowWidth": [9, 300]}, {"77778": b"777,8"}),
        ({"WindowCenter": ["77778", "600"], "WindowWidth": [9, 300]}, {"77778": b"  nan"}),
        ({"WindowCenter": ["77778", "600"], "WindowWidth": [9, 300]}, {"77778": b"     "}),
    ],
)
def test_an_unusable_window_leaves_the_one_after_it(attributes, raw) -> None:
    radiograph = shown(raw=raw, **attributes)

    assert radiograph.pixels.tolist() == shown(WindowCenter=600, WindowWidth=300).pixels.tolist()
    assert radiograph.warnings == ("voi_unusable",)


def test_what_else_is_offered_after_an_unusable_window_is_named_too() -> None:
    radiograph = shown(WindowCenter=[5, 600, 700], WindowWidth=[0, 300, 200])

    assert radiograph.pixels.tolist() == shown(WindowCenter=600, WindowWidth=300).pixels.tolist()
    assert radiograph.warnings == ("multiple_windows", "voi_unusable")


@pytest.mark.parametrize(
    ("attributes", "raw"),
    [
        ({"WindowCenter": 2048, "WindowWidth": 0}, {}),
        ({"WindowCenter": 2048, "WindowWidth": -4096}, {}),
        ({"WindowCenter": 2048, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"}, {}),
        ({"WindowCenter": 2048, "WindowWidth": -0.5, **EXACT}, {}),
        ({"WindowCenter": "204705", "WindowWidth": 4096}, {"204705": b"2047,5"}),
        ({"WindowCenter": 2048, "WindowWidth": "409605"}, {"409605": b"4096,5"}),
        ({"WindowCenter": 2048, "WindowWidth": "409605"}, {"409605": b"   inf"}),
        ({"WindowCenter": 2048}, {}),
        ({"WindowWidth": 2048}, {}),
        ({"VOILUTSequence": [Dataset()]}, {}),
        ({"VOILUTSequence": [Dataset()], "WindowCenter": 2048, "WindowWidth": 0}, {}),
    ],
)
def test_without_a_usable_window_the_whole_range_is_shown_and_that_is_named(attributes, raw) -> None:
    radiograph = shown(raw=raw, **attributes)

    assert radiograph.pixels.tolist() == STORED.tolist()
    assert radiograph.bits == 12
    assert radiograph.warnings == ("voi_unusable",)


def test_a_linear_window_narrower_than_1_is_read_as_exact() -> None:
    scale: Any = {"RescaleSlope": "0.0002442002587", "RescaleIntercept": "0", "WindowCenter": "0.45"}
    radiograph = shown(WindowWidth="0.913", **scale)

    assert radiograph.pixels.tolist() == shown(WindowWidth="0.913", **scale, **EXACT).pixels.tolist()
    assert radiograph.warnings == ("voi_unusable",)
    assert shown(WindowWidth="0.913", **scale, **EXACT).warnings == ()


def test_a_table_is_taken_whatever_the_windows_beside_it_hold() -> None:
    good = table([0, 4095])
    radiograph = shown(
        raw={"204705": b"2047,5"}, VOILUTSequence=good, WindowCenter="204705", WindowWidth=9, VOILUTFunction="MARKER"
    )

    assert radiograph.pixels.tolist() == shown(VOILUTSequence=good).pixels.tolist()


def test_a_contradictory_table_is_refused_where_no_window_can_be_applied_either() -> None:
    with pytest.raises(InvalidImageError, match="LUTData has fewer entries"):
        shown(VOILUTSequence=table([1, 2], LUTDescriptor=[9, 0, 12]), WindowCenter=5, WindowWidth=0)


@pytest.mark.parametrize("width", [0, 0.5, 100])
def test_an_unknown_function_is_refused_by_its_name_whatever_the_width(width) -> None:
    with pytest.raises(InvalidImageError, match="VOILUTFunction is not one of LINEAR, LINEAR_EXACT, SIGMOID"):
        shown(WindowCenter=5, WindowWidth=width, VOILUTFunction="MARKER")


def test_a_film_of_no_frames_is_read_as_one_frame() -> None:
    radiograph = shown(NumberOfFrames=0)

    assert radiograph.pixels.tolist() == STORED.tolist()
    assert radiograph.warnings == ("frame_count_zero",)


@pytest.mark.parametrize(("stated", "used"), [(16, 12), (16, 10), (16, 15), (12, 10), (12, 8)])
def test_a_table_that_uses_fewer_bits_than_it_states_is_scaled_by_its_largest_entry(stated, used) -> None:
    entries = np.linspace(0, 2**used - 1, 4096).round().astype(int).tolist()
    radiograph = shown(VOILUTSequence=table(entries, stated))

    assert radiograph.pixels.tolist() == shown(VOILUTSequence=table(entries, used)).pixels.tolist()
    assert radiograph.pixels.max() == 65535
    assert radiograph.warnings == ("lut_rescaled",)


def test_a_table_whose_largest_entry_uses_the_highest_stated_bit_keeps_the_stated_scale() -> None:
    radiograph = shown(VOILUTSequence=table([0] * 4095 + [32768], 16))

    assert radiograph.pixels.max() == 32768
    assert radiograph.warnings == ()


def test_a_modality_table_of_fewer_bits_than_it_states_is_scaled_unless_a_window_follows() -> None:
    entries = list(range(4096))
    alone = shown(ModalityLUTSequence=table(entries, 16))
    windowed = shown(ModalityLUTSequence=table(entries, 16), WindowCenter=2048, WindowWidth=4096)

    assert alone.pixels.tolist() == STORED.tolist()
    assert alone.warnings == ("lut_rescaled",)
    assert windowed.pixels.tolist() == shown(WindowCenter=2048, WindowWidth=4096).pixels.tolist()
    assert windowed.warnings == ()
