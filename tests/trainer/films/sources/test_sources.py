"""One function indexes whatever lies at a path."""

import pytest

from schemas.errors import TrainingConfigError, TrainingDataError
from tests.films import indexed, write_classes


def test_a_path_where_nothing_lies_is_refused(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match=r"nowhere is not a folder, nor a \.npz, \.csv or \.tsv file"):
        indexed(tmp_path / "nowhere")


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    (tmp_path / "films.zip").touch()

    with pytest.raises(TrainingDataError, match=r"films\.zip is not a folder"):
        indexed(tmp_path / "films.zip")


def test_lungs_alone_need_masks_whatever_the_layout(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match=r"2 films have no mask.*\n  A/0\.png\n  B/0\.png"):
        indexed(write_classes(tmp_path, {"A": 1, "B": 1}), cache=tmp_path / "cache", masks="lungs")


def test_names_for_labels_that_have_names_are_refused(tmp_path) -> None:
    with pytest.raises(TrainingConfigError, match="label_names names the labels of a"):
        indexed(write_classes(tmp_path, {"A": 1, "B": 1}), label_names=("normal", "sick"))
