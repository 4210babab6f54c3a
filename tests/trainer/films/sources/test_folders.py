"""Folders of films become a source, or a message that says what is wrong with them."""

import pytest

from schemas.errors import TrainingDataError
from tests.films import encode, indexed, unlike, write_classes


def test_a_folder_without_splits_says_of_no_film_where_it_belongs(tmp_path) -> None:
    index = indexed(write_classes(tmp_path, {"TB": 3, "COVID": 2}))

    assert index.classes == ("COVID", "TB")
    assert index.counts == {None: {"COVID": 2, "TB": 3}}


def test_an_empty_class_folder_is_refused_by_name(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="train/B holds no films"):
        indexed(write_classes(tmp_path, {"train/A": 1, "train/B": 0}))


@pytest.mark.parametrize(("films", "count"), [({"train/A": 2, "test/A": 2}, 1), ({"A": 2}, 1), ({}, 0)])
def test_fewer_than_two_classes_are_refused(tmp_path, films, count) -> None:
    with pytest.raises(TrainingDataError, match=rf"has {count} classes .* at least two"):
        indexed(write_classes(tmp_path, films))


@pytest.mark.parametrize("test_class", ["Pneumonia", "TB"])
def test_class_names_that_differ_between_the_splits_are_refused_with_both_lists(tmp_path, test_class) -> None:
    write_classes(tmp_path, {"train/NORMAL": 1, "train/PNEUMONIA": 1, "test/NORMAL": 1, f"test/{test_class}": 1})

    with pytest.raises(TrainingDataError, match=f"train has the classes NORMAL, PNEUMONIA, test has .*{test_class}"):
        indexed(tmp_path)


def test_a_split_without_a_class_is_refused(tmp_path) -> None:
    write_classes(tmp_path, {"train/A": 1, "train/B": 1, "test/A": 1})

    with pytest.raises(TrainingDataError, match="test has A; every split needs"):
        indexed(tmp_path)


def test_split_folders_without_train_are_refused(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="has test but no train"):
        indexed(write_classes(tmp_path, {"test/A": 1, "test/B": 1}))


def test_folders_beside_the_splits_are_ignored_and_noted(tmp_path) -> None:
    write_classes(tmp_path, {"train/A": 1, "train/B": 1, "__MACOSX/train": 1})

    assert indexed(tmp_path).notes == ("ignored next to train: __MACOSX",)


def test_folders_within_a_class_are_refused_because_they_may_hold_masks(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match=r"and no other folders.*\n  A/masks/"):
        indexed(write_classes(tmp_path, {"A": 1, "A/masks": 1, "B": 1}))


@pytest.mark.parametrize("split", ["", "train/"])
def test_films_in_images_folders_are_found_and_the_masks_beside_them_ignored_and_noted(tmp_path, split) -> None:
    layout = ("A/images", "A/masks", "B/images", "B/masks")
    write_classes(tmp_path, {f"{split}{folder}": 2 for folder in layout})
    (tmp_path / "A.metadata.xlsx").write_bytes(b"PK")

    index = indexed(tmp_path)

    assert [film.path.relative_to(tmp_path).as_posix() for film in index.films] == [
        f"{split}{folder}/{number}.png" for folder in ("A/images", "B/images") for number in range(2)
    ]
    assert index.notes == ("ignored the masks of 4 films",)


def test_films_in_images_folders_need_no_masks(tmp_path) -> None:
    assert indexed(write_classes(tmp_path, {"A/images": 1, "B/images": 1})).notes == ()


@pytest.mark.parametrize("name", ["7_mask.png", "7-Mask.png", "7_seg.png"])
def test_masks_among_the_films_are_known_by_their_names(tmp_path, name) -> None:
    write_classes(tmp_path, {"A": 3, "B": 1})
    (tmp_path / "A" / name).write_bytes(encode(unlike(32, seed=7), ".png"))

    with pytest.raises(
        TrainingDataError, match=rf"1 files among the films are masks .*images/ and masks/:\n  A/{name}"
    ):
        indexed(tmp_path)
