"""Masks lie where the prepared film has its lungs, and faults in them are named."""

from pathlib import Path

import numpy as np
import pytest

from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.trainer.films.regions.pictures import film_at, lungs, write
from trainer.films.regions.boxes import Box, boxes_mask
from trainer.films.regions.masks import find_masks, read_mask


def test_a_mask_has_the_name_of_its_film_and_lies_in_the_folder_or_beside_the_film(tmp_path: Path) -> None:
    beside = write(tmp_path / "A" / "masks" / "two.png", lungs(8, 8))
    named = write(tmp_path / "all masks" / "one.png", lungs(8, 8))
    films = [
        film_at(tmp_path / "A" / "one.jpeg"),
        film_at(tmp_path / "A" / "images" / "two.png"),
        film_at(tmp_path / "A" / "images" / "three.png"),
    ]

    assert find_masks(films, str(tmp_path / "all masks")) == {0: named, 1: beside}
    assert find_masks(films, None) == {1: beside}


@pytest.mark.parametrize("resize", ["squash", "pad"])
@pytest.mark.parametrize("mask_size", [(60, 100), (96, 160), (80, 80)], ids=["alike", "larger", "squashed"])
def test_a_mask_lies_where_the_prepared_film_has_its_lungs(tmp_path: Path, resize, mask_size) -> None:
    film = film_at(write(tmp_path / "film.png", lungs(60, 100)))
    spec = PreprocessSpec(size=40, resize=resize)

    mask = read_mask(write(tmp_path / "mask.png", lungs(*mask_size)), film, spec)

    prepared = prepare(decode(film.path.read_bytes()), spec)[0] > 0.5
    assert (mask == prepared).mean() > 0.98
    assert mask.any(axis=1).sum() == (20 if resize == "squash" else 12)


@pytest.mark.parametrize("resize", ["squash", "pad"])
@pytest.mark.parametrize("orientation", [("R", "F"), ("L", "H"), ("F", "L"), ("H", "R")])
def test_masks_and_boxes_lie_as_the_film_does_and_are_put_upright_with_it(tmp_path: Path, orientation, resize) -> None:
    picture = np.zeros((60, 100), np.uint8)
    picture[15:45, 50:75] = 255
    film = film_at(tmp_path / "film.dcm")
    film.path.write_bytes(dicom_bytes(dicom_dataset(picture, PatientOrientation=list(orientation))))
    spec = PreprocessSpec(size=40, resize=resize)
    expected = prepare(decode(film.path.read_bytes()), spec)[0] > 0.5

    np.testing.assert_array_equal(boxes_mask([Box("", 0.5, 0.25, 0.25, 0.5)], film, spec), expected)
    np.testing.assert_array_equal(read_mask(write(tmp_path / "mask.png", picture), film, spec), expected)


@pytest.mark.parametrize(("level", "word"), [(0, "nothing"), (255, "everything")])
def test_a_mask_that_marks_nothing_or_everything_is_refused(tmp_path: Path, level, word) -> None:
    mask = write(tmp_path / "mask.png", np.full((20, 20), level, np.uint8))
    write(tmp_path / "film.png", np.zeros((20, 20), np.uint8))

    with pytest.raises(TrainingDataError, match=f"mask.png marks {word}; draw the lungs bright on black"):
        read_mask(mask, film_at(tmp_path / "film.png"), PreprocessSpec(size=40))


def test_a_mask_that_is_no_picture_and_a_folder_that_is_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("lungs")

    with pytest.raises(TrainingDataError, match=r"lung mask .*mask.png cannot be read"):
        read_mask(tmp_path / "mask.png", film_at(tmp_path / "film.png"), PreprocessSpec(size=40))
    with pytest.raises(TrainingDataError, match=r"lung_masks=.*nowhere is not a folder"):
        find_masks([], str(tmp_path / "nowhere"))
