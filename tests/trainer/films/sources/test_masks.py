"""Masks of the lungs cut films, or stop the run where they lie among them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from imaging.decode import decode
from schemas.errors import TrainingDataError
from tests.films import encode, indexed, unlike, write_classes
from tests.imaging.files import dicom_bytes, dicom_dataset
from trainer.films.duplicates import mark_copies


def lungs(side: int) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    for center in (0.3, 0.7):
        cv2.ellipse(mask, (round(center * side), side // 2), (side // 8, side // 3), 0, 0, 360, 255, -1)
    return mask


@pytest.fixture
def radiography(tmp_path) -> Path:
    """Three films of 60 x 60 a class, with masks of 52 x 52 in colour, as COVID-19 Radiography has them."""
    root = write_classes(tmp_path / "films", {f"{label}/{kind}": 0 for label in "AB" for kind in ("images", "masks")})
    for number in range(6):
        name = f"{'AB'[number % 2]}-{number}.png"
        (root / name[0] / "images" / name).write_bytes(encode(unlike(60, seed=number), ".png"))
        (root / name[0] / "masks" / name).write_bytes(encode(np.dstack([lungs(52)] * 3), ".png"))
    return root


def test_films_are_black_outside_their_masks_and_unchanged_within(radiography, tmp_path) -> None:
    whole = indexed(radiography)

    cut = indexed(radiography, cache=tmp_path / "cache", masks="lungs")
    inside = cv2.resize(lungs(52), (60, 60), interpolation=cv2.INTER_NEAREST) > 0

    assert [film.label for film in cut.films] == [film.label for film in whole.films]
    assert {film.path.name for film in cut.films} == {f"{film.path.name}.png" for film in whole.films}
    for film, original in zip(cut.films, whole.films, strict=True):
        pixels = decode(film.path.read_bytes()).pixels
        assert np.array_equal(pixels, np.where(inside, decode(original.path.read_bytes()).pixels, 0))
    assert cut.data_sha256 != whole.data_sha256
    assert any("knows no whole films" in note for note in cut.notes)


def test_another_mask_gives_other_films(radiography, tmp_path) -> None:
    first = indexed(radiography, cache=tmp_path / "cache", masks="lungs")
    (radiography / "A/masks/A-0.png").write_bytes(encode(lungs(52)[::-1, :30], ".png"))

    assert indexed(radiography, cache=tmp_path / "cache", masks="lungs").data_sha256 != first.data_sha256


def test_a_deep_film_keeps_its_depth(radiography, tmp_path) -> None:
    deep = unlike(60, seed=50).astype(np.uint16) * 16 + 3  # 12 bits
    dataset = dicom_dataset(deep, bits_stored=12, PatientID="778")
    (radiography / "A/images/A-0.png").write_bytes(dicom_bytes(dataset))

    film = indexed(radiography, cache=tmp_path / "cache", masks="lungs").films[0]
    cut = decode(film.path.read_bytes())
    inside = cv2.resize(lungs(52), (60, 60), interpolation=cv2.INTER_NEAREST) > 0

    assert cut.bits == 16
    assert np.array_equal(cut.pixels, np.where(inside, deep * 16, 0))


def test_a_patient_whom_dicom_names_is_still_known_when_only_the_lungs_are_left(radiography, tmp_path) -> None:
    for number in (0, 2):
        dataset = dicom_dataset(unlike(60, seed=60 + number), PatientID="778", PatientSex="F")
        (radiography / f"A/images/A-{number}.png").write_bytes(dicom_bytes(dataset))

    films = indexed(radiography, cache=tmp_path / "cache", masks="lungs").films

    assert [film.patient for film in films[:3]] == ["A/images/A-0.png.png"] * 2 + ["A/images/A-4.png.png"]
    assert films[0].attributes == {"sex": "F", "view": "PA"}


def test_films_without_a_mask_are_listed(radiography, tmp_path) -> None:
    (radiography / "A/masks/A-2.png").unlink()

    with pytest.raises(TrainingDataError, match=r"1 films have no mask of the lungs.*\n  A/images/A-2\.png"):
        indexed(radiography, cache=tmp_path / "cache", masks="lungs")


def test_a_film_or_mask_that_cannot_be_read_stops_the_run_or_is_skipped(radiography, tmp_path) -> None:
    (radiography / "A/masks/A-2.png").write_bytes(b"torn")

    with pytest.raises(TrainingDataError, match=r"1 of 6 files .*\n  A/images/A-2\.png: the content is neither"):
        indexed(radiography, cache=tmp_path / "cache", masks="lungs")
    index = indexed(radiography, cache=tmp_path / "cache", masks="lungs", skip_unreadable=True)

    assert len(index.films) == 5
    assert index.dropped[0].startswith("A/images/A-2.png: unreadable: ")


@pytest.mark.parametrize("extension", [".png", ".jpeg"])
def test_masks_among_the_films_are_known_by_their_two_levels(tmp_path, extension) -> None:
    root = write_classes(tmp_path / "films", {"A": 3, "B": 3})
    (root / "A" / f"lungs7{extension}").write_bytes(encode(lungs(300), extension))
    index = indexed(root)

    with pytest.raises(
        TrainingDataError, match=rf"1 images among the films are black and white.*\n  A/lungs7\{extension}"
    ):
        mark_copies(index, tmp_path / "cache", threshold=0.985, skip_unreadable=False)


def test_films_with_much_black_and_white_but_grays_between_are_no_masks(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 3, "B": 3})
    hard = np.clip((unlike(64, seed=3).astype(float) - 100) * 6, 0, 255).astype(np.uint8)
    collimated = np.zeros((64, 64), np.uint8)
    collimated[20:40, 20:40] = unlike(20, seed=4)
    for name, film in (("hard", hard), ("collimated", collimated), ("blank", np.zeros((64, 64), np.uint8))):
        (root / "A" / f"{name}.png").write_bytes(encode(film, ".png"))
    index = indexed(root)

    marked = mark_copies(index, tmp_path / "cache", threshold=0.985, skip_unreadable=False)

    assert replace(marked, notes=()) == index
    assert [note.partition(":")[2].partition(";")[0] for note in marked.notes] == [" A/blank.png"]
