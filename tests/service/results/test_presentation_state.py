"""The outline of the heat map lies on the film where the map is hot."""

import io

import cv2
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from imaging.overlay import HeatMap
from schemas.errors import InvalidImageError
from service.results.objects import result_objects
from service.results.presentation_state import half_maximum_outlines
from tests.imaging.files import dicom_bytes, lookup_table
from tests.service.results.films import COLUMNS, ROWS, analysis, film, heat_map


def state_of(source, heat=None):
    return result_objects(source, analysis(source), heat or heat_map(source)).presentation_state


def outlines_of(state):
    objects = state.GraphicAnnotationSequence[0].GraphicObjectSequence
    assert {(drawn.GraphicType, drawn.GraphicAnnotationUnits) for drawn in objects} == {("POLYLINE", "PIXEL")}
    return [np.array(drawn.GraphicData).reshape(-1, 2) for drawn in objects]


@pytest.mark.clause("PS3.3 C.10.5", "the outline lies where the heat is, in pixels of the film")
@pytest.mark.parametrize(("row", "column"), [(4, 5), (1, 1), (3, 3)])
def test_the_outline_is_centred_on_the_hottest_cell_in_pixels_of_the_film(row, column) -> None:
    source = film()

    (outline,) = outlines_of(state_of(source, heat_map(source, row, column)))

    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    assert middle == pytest.approx(((column + 0.5) / 7 * COLUMNS, (row + 0.5) / 7 * ROWS), abs=3)
    assert (outline[0] == outline[-1]).all()


def test_the_padding_that_the_network_saw_is_not_on_the_film() -> None:
    source = film()

    (outline,) = outlines_of(state_of(source, heat_map(source, 3, 1, resize="pad")))

    # The film fills 2/3 of the square's width: its left edge lies at cell 7/6, so cell 1 is cut by the edge.
    assert outline[:, 0].min() == pytest.approx(0, abs=1)
    assert outline[:, 1].mean() == pytest.approx(ROWS / 2, abs=ROWS / 14)


def test_half_of_the_maximum_is_outlined() -> None:
    heat = np.zeros((10, 20), np.uint8)
    heat[2:6, 4:12] = 128
    heat[1:7, 3:13] = np.maximum(heat[1:7, 3:13], 127)

    (outline,) = half_maximum_outlines(heat, 100, 400)

    assert outline.min(axis=0).tolist() == [90, 25]  # cells' centres: column 4.5 x 20, row 2.5 x 10
    assert outline.max(axis=0).tolist() == [230, 55]


def test_several_regions_are_outlined_the_largest_first() -> None:
    heat = np.zeros((50, 50), np.uint8)
    heat[2:10, 2:10] = 200
    heat[20:45, 20:45] = 255

    outlines = half_maximum_outlines(heat, 50, 50)

    assert [outline.min() for outline in outlines] == [20.5, 2.5]


def test_a_map_without_heat_has_no_presentation_state() -> None:
    source = film()
    cold = cv2.imencode(".png", np.zeros((30, 20), np.uint8))[1].tobytes()

    made = result_objects(source, analysis(source), HeatMap(cold, heat_map(source).overlay_png, None, 0.0))

    assert made.presentation_state is None


def test_a_film_in_colour_has_no_grayscale_presentation_state() -> None:
    source = film(PhotometricInterpretation="RGB", SamplesPerPixel=3)

    made = result_objects(source, analysis(source), heat_map(source))

    assert made.presentation_state is None
    assert made.secondary_capture is not None


@pytest.mark.clause("PS3.3 C.11.6", "the presentation LUT keeps the film's polarity")
@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({}, "IDENTITY"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "INVERSE"),
        ({"PresentationLUTShape": "INVERSE"}, "INVERSE"),
    ],
)
def test_the_film_is_shown_in_its_own_polarity(attributes, shape) -> None:
    assert state_of(film(**attributes)).PresentationLUTShape == shape


@pytest.mark.clause("PS3.3 C.11.2", "the film's window is kept")
def test_the_films_window_is_kept() -> None:
    state = state_of(film(WindowCenter=[100, 50], WindowWidth=[80, 20], VOILUTFunction="SIGMOID"))

    shown = state.SoftcopyVOILUTSequence[0]
    assert (shown.WindowCenter, shown.WindowWidth, shown.VOILUTFunction) == (100, 80, "SIGMOID")


def test_the_films_lookup_tables_and_rescaling_are_kept() -> None:
    state = state_of(film(VOILUTSequence=lookup_table(0, 8, [0, 128, 255]), RescaleSlope=2, RescaleIntercept=-5))

    assert state.SoftcopyVOILUTSequence[0].VOILUTSequence[0].LUTDescriptor == [3, 0, 8]
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (2, -5, "US")


@pytest.mark.parametrize(("syntax", "word"), [(ExplicitVRBigEndian, ">u2"), (ExplicitVRLittleEndian, "<u2")])
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_lookup_table_is_in_little_endian_whatever_the_films_byte_order(syntax, word, keyword) -> None:
    (table,) = lookup_table(0, 16, [0, 128, 4095])
    (nested,) = lookup_table(0, 16, [1, 2])
    table.LUTData = np.array([0, 128, 4095], word).tobytes()
    nested.LUTData = np.array([1, 2], word).tobytes()
    table.ModalityLUTSequence = [nested]
    source = dcmread(io.BytesIO(dicom_bytes(film(**{keyword: [table]}), syntax)))

    state = state_of(source)

    kept = state if keyword == "ModalityLUTSequence" else state.SoftcopyVOILUTSequence[0]
    shown = kept[keyword].value[0]
    assert shown.LUTDescriptor == [3, 0, 16]
    assert np.frombuffer(shown.LUTData, "<u2").tolist() == [0, 128, 4095]
    assert np.frombuffer(shown.ModalityLUTSequence[0].LUTData, "<u2").tolist() == [1, 2]
    assert source[keyword].value[0].LUTData == table.LUTData


def test_a_lookup_table_of_half_a_word_is_refused() -> None:
    (table,) = lookup_table(0, 16, [0, 1])
    source = dcmread(io.BytesIO(dicom_bytes(film(VOILUTSequence=[table]), ExplicitVRBigEndian)))
    source.VOILUTSequence[0].LUTData = b"odder"

    with pytest.raises(InvalidImageError, match="VOILUTSequence"):
        state_of(source)


def test_the_window_that_can_be_applied_is_kept_and_not_what_is_offered_before_it() -> None:
    (short,) = lookup_table(0, 16, [0, 1])
    short.LUTDescriptor = [9, 0, 16]
    windows = {"WindowCenter": [10, 100], "WindowWidth": [0, 80]}
    states = [state_of(film(VOILUTSequence=[table], **windows)) for table in (Dataset(), short)]

    for state in (*states, state_of(film(**windows))):
        shown = state.SoftcopyVOILUTSequence[0]
        assert (shown.WindowCenter, shown.WindowWidth) == (100, 80)
        assert "VOILUTSequence" not in shown


def test_a_window_narrower_than_1_is_kept_where_its_function_allows_it() -> None:
    state = state_of(film(WindowCenter=0.5, WindowWidth=0.8, VOILUTFunction="LINEAR_EXACT"))

    shown = state.SoftcopyVOILUTSequence[0]
    assert (shown.WindowCenter, shown.WindowWidth, shown.VOILUTFunction) == (0.5, 0.8, "LINEAR_EXACT")


def test_a_decimal_comma_is_no_window() -> None:
    source = dcmread(io.BytesIO(dicom_bytes(film(WindowCenter="204705", WindowWidth=80)).replace(b"204705", b"2047,5")))

    assert "SoftcopyVOILUTSequence" not in state_of(source)


@pytest.mark.parametrize("attributes", [{}, {"WindowCenter": 10, "WindowWidth": 0}, {"WindowCenter": 10}])
def test_a_film_without_a_valid_window_is_shown_in_its_whole_range(attributes) -> None:
    assert "SoftcopyVOILUTSequence" not in state_of(film(**attributes))


def test_the_text_says_what_is_outlined_and_for_what_use() -> None:
    (text,) = state_of(film()).GraphicAnnotationSequence[0].TextObjectSequence

    assert text.UnformattedTextValue.splitlines() == [
        "PNEUMONIA: gradcam at half maximum, chest-xray",
        "1.2.0. No localisation. Research use only.",
    ]


def shown_by(state):
    return state.SoftcopyVOILUTSequence[0]


def test_decimals_have_at_most_sixteen_characters() -> None:
    state = state_of(
        film(RescaleSlope=".333333333333333", WindowCenter="1000.1234567890", WindowWidth="2000.3333333333")
    )

    decimals = (state.RescaleSlope, shown_by(state).WindowCenter, shown_by(state).WindowWidth)
    assert max(len(str(value)) for value in decimals) <= 16
    assert [float(value) for value in decimals] == pytest.approx([1 / 3, 1000.123456789, 2000.3333333333])


@pytest.mark.parametrize(("given", "expected"), [({"RescaleSlope": 2}, (2, 0)), ({"RescaleIntercept": -9}, (1, -9))])
def test_a_slope_or_an_intercept_alone_is_kept(given, expected) -> None:
    state = state_of(film(**given))

    assert (state.RescaleSlope, state.RescaleIntercept) == expected


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID", None])
def test_a_width_below_one_keeps_its_window(function) -> None:
    attributes = {} if function is None else {"VOILUTFunction": function}
    state = state_of(film(WindowCenter=0.5, WindowWidth=0.8, RescaleSlope=1 / 255, RescaleIntercept=0, **attributes))

    shown = shown_by(state)
    assert (shown.WindowCenter, shown.WindowWidth) == (0.5, 0.8)
    assert shown.VOILUTFunction == (function or "LINEAR_EXACT")


@pytest.mark.clause("PS3.3 C.10.4", "the displayed area keeps the aspect of pixels")
@pytest.mark.parametrize(
    ("attributes", "ratio"),
    [
        ({}, [1, 1]),
        ({"PixelAspectRatio": [2, 1]}, [2, 1]),
        ({"PixelSpacing": [0.15, 0.2]}, [3, 4]),
        ({"PixelAspectRatio": [0, 1]}, [1, 1]),
        ({"PixelAspectRatio": [900, 1]}, [1, 1]),
    ],
)
def test_pixels_that_are_no_squares_are_shown_as_such(attributes, ratio) -> None:
    assert list(state_of(film(**attributes)).DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio) == ratio
