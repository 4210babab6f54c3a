"""Bacterial and viral pneumonia are told apart by Kermany's file names, or the run stops."""

import pytest

from schemas.errors import TrainingDataError
from tests.films import encode, indexed, unlike, write_kermany


def test_three_classes_come_from_the_names_with_the_normal_one_first(tmp_path) -> None:
    index = indexed(write_kermany(tmp_path, patients=3, side=32, splits=("train", "val", "test")), classes="kermany3")

    assert index.classes == ("NORMAL", "BACTERIAL_PNEUMONIA", "VIRAL_PNEUMONIA")
    assert index.negative_class == "NORMAL"
    assert index.counts == {
        "train": {"NORMAL": 12, "BACTERIAL_PNEUMONIA": 4, "VIRAL_PNEUMONIA": 8},
        "test": {"NORMAL": 6, "BACTERIAL_PNEUMONIA": 2, "VIRAL_PNEUMONIA": 4},
    }


def test_films_that_name_neither_bacteria_nor_virus_are_listed(tmp_path) -> None:
    write_kermany(tmp_path, patients=2, side=32)
    (tmp_path / "train" / "PNEUMONIA" / "scan.png").write_bytes(encode(unlike(32, seed=1), ".png"))

    with pytest.raises(
        TrainingDataError, match=r"1 films name neither bacteria nor virus.*\n  train/PNEUMONIA/scan\.png"
    ):
        indexed(tmp_path, classes="kermany3")


def test_a_class_that_no_film_has_is_refused(tmp_path) -> None:
    write_kermany(tmp_path, patients=1, side=32)  # of one patient, viral

    with pytest.raises(TrainingDataError, match="class BACTERIAL_PNEUMONIA has no film in train"):
        indexed(tmp_path, classes="kermany3")


@pytest.mark.real_data
def test_the_real_set_has_the_published_counts_of_three_classes(real_films) -> None:
    index = indexed(real_films / "kermany224", classes="kermany3")

    assert index.counts == {
        "train": {"NORMAL": 1341 + 8, "BACTERIAL_PNEUMONIA": 2530 + 8, "VIRAL_PNEUMONIA": 1345},
        "test": {"NORMAL": 234, "BACTERIAL_PNEUMONIA": 242, "VIRAL_PNEUMONIA": 148},
    }
