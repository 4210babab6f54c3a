"""The table of films that train a guide."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from schemas.errors import TrainingDataError
from trainer.guide.table import read_table

HEADER = "path,split,patient,mask,oriented,population,view"
ROWS = (
    "a.png,train,1,m.png,yes,child,frontal",
    "b.png,train,2,,,adult,",
    "c.png,val,3,,no,child,lateral",
    "d.png,val,4,,YES,adult,frontal",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c", "d", "m"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((8, 8), np.uint8))
    return tmp_path


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_every_other_column_is_a_trait_and_a_blank_cell_is_not_known(folder: Path) -> None:
    table = read_table(write(folder, *ROWS))
    assert table.traits == {"population": ("child", "adult"), "view": ("frontal", "lateral")}
    assert [dict(each.traits) for each in table.of("train")] == [
        {"population": "child", "view": "frontal"},
        {"population": "adult"},
    ]
    assert [each.oriented for each in table.films] == [True, False, False, True]
    assert table.films[0].mask == folder / "m.png"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("a.png,test,1,,,child,frontal", "split 'test'"),
        ("e.png,train,1,,,child,frontal", "no file e.png"),
        ("a.png,train,1,n.png,,child,frontal", "no file n.png"),
        ("a.png,train,3,,,child,frontal", "in train and in val"),
    ],
)
def test_a_faulty_row_is_named(folder: Path, changed: str, message: str) -> None:
    with pytest.raises(TrainingDataError, match=message):
        read_table(write(folder, changed, *ROWS[1:]))


def test_a_trait_of_one_value_leaves_no_choice_and_is_refused(folder: Path) -> None:
    with pytest.raises(TrainingDataError, match="view has fewer than two values"):
        read_table(write(folder, *(row.replace("lateral", "frontal") for row in ROWS)))


def test_a_table_without_paths_and_one_that_is_not_there_are_refused(folder: Path) -> None:
    with pytest.raises(TrainingDataError, match="needs path and split"):
        read_table(write(folder, "a.png,child", header="file,population"))
    with pytest.raises(TrainingDataError, match="cannot be read"):
        read_table(folder / "missing.csv")
