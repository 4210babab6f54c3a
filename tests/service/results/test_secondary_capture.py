"""The picture that every viewer shows says what it is."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imaging.radiograph import Turn
from service.results.objects import result_objects
from service.results.secondary_capture import NARROWEST, TALLEST, labelled
from tests.imaging.files import pillow
from tests.service.results.films import ALONE, analysis, film, heat_map, several


def picture_of(source, **changes):
    return result_objects(source, analysis(source, **changes), heat_map(source)).secondary_capture


def test_the_picture_is_rgb_of_eight_bits_at_the_films_aspect_above_its_text() -> None:
    picture = picture_of(film())

    assert (picture.PhotometricInterpretation, picture.BitsStored, picture.SamplesPerPixel) == ("RGB", 8, 3)
    assert picture.Columns == NARROWEST
    shown = picture.pixel_array[: round(NARROWEST * 300 / 200)]
    with Image.open(io.BytesIO(heat_map(film()).overlay_png)) as overlay:
        expected = np.asarray(overlay.resize((NARROWEST, len(shown)), Image.Resampling.BICUBIC), np.int16)
    assert np.abs(shown - expected).max() == 0


@pytest.mark.clause("PS3.3 C.8.6", "a derived image that says what is burned in")
def test_what_is_derived_and_burned_in_is_said() -> None:
    picture = picture_of(film())

    assert (picture.BurnedInAnnotation, picture.ConversionType) == ("YES", "WSD")
    assert picture.DerivationDescription == "gradcam heat map of PNEUMONIA by chest-xray 1.2.0 over the film"
    assert picture.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.5"
    assert picture.ImageType[:2] == ["DERIVED", "SECONDARY"]


@pytest.mark.parametrize("width", [40, 512, 1000])
def test_every_line_is_inside_the_picture_at_any_width(width) -> None:
    black = pillow(Image.new("RGB", (width, width)), "PNG")
    widest = ["W" * 20 + " RESEARCH USE ONLY " + "M" * 20, "probability of BACTERIAL_PNEUMONIA 0.96 " * 3]

    picture: Any = labelled(black, widest)

    side = max(width, NARROWEST)
    assert picture.shape[1] == side
    assert not picture[:side].any()
    assert not picture[:, -2:].any()
    assert not picture[-2:].any()
    bright = np.nonzero(picture[side:].any(axis=2).any(axis=1))[0]
    assert bright.max() - bright.min() > 0.05 * side  # four lines, none smaller than can be read


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [(1, 1024, (2, 2048)), (8, 1024, (16, 2048)), (256, 1024, (512, 2048)), (1024, 1, (1024, 1)), (1, 1, (512, 512))],
)
def test_an_overlay_of_any_aspect_makes_a_picture_of_bounded_size(width, height, shown) -> None:
    picture = labelled(pillow(Image.new("RGB", (width, height), (9, 9, 9)), "PNG"), ["RESEARCH USE ONLY"])

    film_rows, film_columns = np.nonzero((picture == 9).all(axis=2))
    assert (np.ptp(film_columns) + 1, np.ptp(film_rows) + 1) == shown
    assert picture.shape[1] == max(width, NARROWEST)
    assert picture.shape[0] < TALLEST + 200
    assert picture[shown[1] :].any()


@pytest.mark.parametrize(("rows", "columns"), [(65535, 1), (1, 65535)])
def test_a_film_of_extreme_aspect_has_a_picture_that_an_archive_can_hold(rows, columns) -> None:
    picture = picture_of(film(Rows=rows, Columns=columns))

    assert picture.Rows < TALLEST + 200
    assert picture.Columns in (NARROWEST, 1024)


def test_the_text_under_the_picture_names_every_finding_that_is_judged_by_itself() -> None:
    found = several(film())
    changed = found.prediction.findings[2].model_copy(update={"decision": "abstain"})
    other = found.prediction.model_copy(update={"findings": (*found.prediction.findings[:2], changed)})
    records = (found, found.model_copy(update={"prediction": other}), analysis(film(), ALONE, negative_class=None))
    pictures = [result_objects(film(), record, heat_map(film())).secondary_capture for record in records]

    assert len({picture.PixelData for picture in pictures}) == 3
    assert pictures[0].Rows > pictures[2].Rows  # one line more


def test_another_answer_is_another_text() -> None:
    positive, negative, abstained = (
        picture_of(film(), **changes).PixelData
        for changes in ({}, {"decision": "negative", "label": "NORMAL"}, {"decision": "abstain"})
    )

    assert len({positive, negative, abstained}) == 3


def test_the_picture_lies_as_the_film_was_sent_with_its_text_to_be_read_either_way() -> None:
    black = pillow(Image.new("RGB", (512, 600)), "PNG")
    lines = ["RESEARCH USE ONLY", "chest-xray 1.2.0"]
    plain = labelled(black, lines)
    text = plain[600:]

    for turn in (Turn(left_right=True), Turn(up_down=True), Turn(left_right=True, up_down=True)):
        picture = labelled(black, lines, turn)
        upright = np.stack([turn.upright(picture[..., band]) for band in range(3)], -1)
        assert (upright[-len(text) :] == text).all()  # put upright, it reads
        place = slice(600, 600 + len(text)) if not turn.up_down else slice(len(picture) - len(text), None)
        assert (picture[place] == text).all()  # and as it was sent


def test_a_film_that_lies_on_its_side_has_its_second_text_beside_it() -> None:
    black = pillow(Image.new("RGB", (512, 600)), "PNG")
    turn = Turn(transposed=True)

    picture = labelled(black, ["RESEARCH USE ONLY"], turn)

    assert (
        picture[: len(labelled(black, ["RESEARCH USE ONLY"])), :512] == labelled(black, ["RESEARCH USE ONLY"])
    ).all()
    assert picture[:, 512:].any()


def test_how_the_picture_was_derived_is_coded() -> None:
    picture = picture_of(film())

    assert [code.CodeValue for code in picture.DerivationCodeSequence] == ["130403", "113085"]
    assert picture.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
