"""Marks of training films: where the heat of each belongs, and of which findings it is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.film import Film
from trainer.films.options import DataOptions
from trainer.films.regions.marked import read_marked

SPEC = PreprocessSpec(size=32, resize="squash")
CLASSES = ("NORMAL", "PNEUMONIA")


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def mask() -> np.ndarray:
    picture = np.zeros((32, 32), np.uint8)
    picture[8:24, 4:12] = picture[8:24, 20:28] = 255
    return picture


def films(tmp_path: Path, labels: tuple[str, ...]) -> list[Film]:
    gray = np.full((32, 32), 90, np.uint8)
    return [
        Film(write(tmp_path / f"{number}.png", gray), label, str(number), "train", "0" * 64)
        for number, label in enumerate(labels)
    ]


def read(films, options, classes=CLASSES):
    present = np.array([[name == film.label != "NORMAL" for name in classes] for film in films])
    return read_marked(films, present, classes, SPEC, options)


def test_the_lungs_are_where_the_heat_of_a_finding_belongs_and_a_normal_film_has_none(tmp_path) -> None:
    for name in ("0.png", "1.png"):
        write(tmp_path / "masks" / name, mask())
    options = DataOptions(path="films", lung_masks=str(tmp_path / "masks"))

    marked = read(films(tmp_path, ("NORMAL", "PNEUMONIA", "PNEUMONIA")), options)

    assert set(marked.lungs) == {0, 1}
    assert set(marked.evidence) == {1}
    where, whose = marked.evidence[1]
    assert np.array_equal(where, mask() > 0)
    assert whose.tolist() == [0, 1]
    assert marked.described.startswith("2 lung masks, 0 films with boxes, ")


def test_boxes_go_before_lungs_and_count_for_their_own_finding_alone(tmp_path) -> None:
    write(tmp_path / "masks" / "1.png", mask())
    table = tmp_path / "boxes.csv"
    table.write_text(
        'path,boxes\n0.png,"[[""Mass"",0,0,0.5,0.5]]"\n1.png,"[[""pneumonia"",0.5,0.5,0.5,0.5],[""Mass"",0,0,0.1,0.1]]"\n'
    )
    options = DataOptions(path="films", lung_masks=str(tmp_path / "masks"), boxes=str(table))

    marked = read(films(tmp_path, ("NORMAL", "PNEUMONIA")), options)

    where, whose = marked.evidence[1]
    assert set(marked.evidence) == {1}
    assert where[16:, 16:].all()
    assert where.sum() == 16 * 16
    assert whose.tolist() == [0, 1]


def test_marks_of_no_film_are_refused_with_the_remedy(tmp_path) -> None:
    (tmp_path / "masks").mkdir()
    options = DataOptions(path="films", lung_masks=str(tmp_path / "masks"))

    with pytest.raises(
        TrainingDataError, match=r"no film that trains has a mask in data.lung_masks=.* correct the names"
    ):
        read(films(tmp_path, ("PNEUMONIA",)), options)
