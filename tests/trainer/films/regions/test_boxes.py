"""Boxes lie where the prepared film has what they mark, and faults in their table are named."""

from pathlib import Path

import numpy as np
import pytest

from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from tests.trainer.films.regions.pictures import film_at, write
from trainer.films.regions.boxes import Box, boxes_mask, read_boxes


@pytest.mark.parametrize("resize", ["squash", "pad"])
def test_a_box_lies_where_the_prepared_film_has_what_it_marks(tmp_path: Path, resize) -> None:
    picture = np.zeros((60, 100), np.uint8)
    picture[15:45, 50:75] = 255
    film = film_at(write(tmp_path / "film.png", picture))
    spec = PreprocessSpec(size=40, resize=resize)

    mask = boxes_mask([Box("", 0.5, 0.25, 0.25, 0.5)], film, spec)

    np.testing.assert_array_equal(mask, prepare(decode(film.path.read_bytes()), spec)[0] > 0.5)


def test_a_box_without_an_area_of_a_pixel_still_marks_one(tmp_path: Path) -> None:
    film = film_at(write(tmp_path / "film.png", np.zeros((20, 20), np.uint8)))

    assert boxes_mask([Box("", 0.5, 0.5, 0.001, 0.001)], film, PreprocessSpec(size=40)).sum() == 1


def test_boxes_are_read_from_every_column_of_boxes_by_the_films_name(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        "image,rsna_boxes,nih_boxes\n"
        'images/one.png,"[[0.1, 0.2, 0.3, 0.4]]","[[""Effusion"", 0.5, 0.5, 0.25, 0.25]]"\n'
        "images/two.png,[],\n"
    )

    assert read_boxes(table) == {
        "one.png": (Box("", 0.1, 0.2, 0.3, 0.4), Box("Effusion", 0.5, 0.5, 0.25, 0.25)),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,boxes\na.png,[[0.1]]\n", r"line 2, column boxes: '\[\[0.1\]\]' is not a JSON list of boxes"),
        ("image,boxes\na.png,left lung\n", "line 2, column boxes: 'left lung' is not a JSON list of boxes"),
        ('image,boxes\na.png,"[[0.1, 0.2, 30, 40]]"\n', "lies outside the film"),
        ("film,boxes\na.png,[]\n", "has the columns film, boxes; it needs `path` or `image`"),
        ("image,label\na.png,1\n", "at least one whose name ends in `boxes`"),
    ],
)
def test_a_fault_in_a_table_of_boxes_is_named(tmp_path: Path, text, message) -> None:
    (tmp_path / "labels.csv").write_text(text)

    with pytest.raises(TrainingDataError, match=message):
        read_boxes(tmp_path / "labels.csv")
