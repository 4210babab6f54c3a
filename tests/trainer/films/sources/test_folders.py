"""Folders of films become a source, or a message that says what is wrong with them."""

import unicodedata

import cv2
import numpy as np
import pytest

from schemas.errors import TrainingDataError
from tests.films import encode, indexed, unlike, write_classes


def test_a_folder_without_splits_says_of_no_film_where_it_belongs(tmp_path) -> None:
    index = indexed(write_classes(tmp_path, {"TB": 3, "COVID": 2}))

    assert index.classes == ("COVID", "TB")
    assert index.counts == {None: {"COVID": 2, "TB": 3}}


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "valid", "test"),
        ("training", "validation", "testing"),
        ("Train", "Val", "Test"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("Training", "dev", "Testing"),
        ("train_set", "validation set", "test-images"),
        ("01_train", "02_val", "03_test"),
        ("trainset", "valset", "testset"),
    ],
)
@pytest.mark.parametrize("layout", ["{split}/{label}", "chest_xray/data/{split}/{label}", "{label}/{split}"])
def test_splits_are_known_in_every_usual_spelling_and_place_and_this_is_noted(
    tmp_path, layout, train, val, test
) -> None:
    counts = {train: 2, val: 25, test: 3}
    write_classes(
        tmp_path, {layout.format(split=split, label=label): count for split, count in counts.items() for label in "AB"}
    )

    index = indexed(tmp_path)

    assert index.counts == {"train": {"A": 2, "B": 2}, "val": {"A": 25, "B": 25}, "test": {"A": 3, "B": 3}}
    if train != "train":
        assert f"splits by folder: {train} is train, {val} is val, {test} is test" in index.notes


def test_two_folders_of_one_split_are_read_together(tmp_path) -> None:
    write_classes(tmp_path, {"train/A": 1, "train/B": 1, "Training/A": 2, "Training/B": 2, "test/A": 1, "test/B": 1})

    index = indexed(tmp_path)

    assert index.counts["train"] == {"A": 3, "B": 3}
    assert index.notes == ("splits by folder: Training is train, train is train, test is test",)


def test_films_beside_the_splits_of_their_class_are_refused(tmp_path) -> None:
    write_classes(tmp_path, {"A": 1, "B": 0, "A/train": 1, "B/train": 1, "A/test": 1, "B/test": 1})

    with pytest.raises(TrainingDataError, match=r"1 entries lie beside the splits.*\n  A/0\.png"):
        indexed(tmp_path)


def test_folders_within_a_class_are_read_with_all_below_and_noted(tmp_path) -> None:
    films = {"A/patient1/study1": 2, "A/patient2/study1": 1, "B/patient3/study1": 1, "B/patient4": 2}

    index = indexed(write_classes(tmp_path, films))

    assert index.counts == {None: {"A": 3, "B": 3}}
    assert len({film.patient for film in index.films}) == 4
    assert index.notes == (
        "read the films of 2 folders within A; they are not classes",
        "read the films of 2 folders within B; they are not classes",
    )


def test_a_folder_that_holds_itself_is_refused(tmp_path) -> None:
    write_classes(tmp_path, {"A": 1, "B": 1})
    (tmp_path / "A" / "again").symlink_to(tmp_path / "A")

    with pytest.raises(TrainingDataError, match=r"no other folders.*\n  A/again/"):
        indexed(tmp_path)


@pytest.mark.parametrize(("one", "same"), [("PNEUMONIA", "Pneumonia"), ("No Finding", "no_finding")])
def test_classes_that_differ_in_spelling_alone_are_one_with_a_note(tmp_path, one, same) -> None:
    index = indexed(write_classes(tmp_path, {f"train/{one}": 3, "train/X": 1, f"test/{same}": 2, "test/X": 1}))

    assert index.counts == {"train": {one: 3, "X": 1}, "test": {one: 2, "X": 1}}
    assert index.notes == (
        f"classes that differ in spelling alone are one, {one}: {one!r} (3 films), {same!r} (2 films)",
    )


@pytest.mark.parametrize("names", [("SICK ", "SICK"), ("SICK", "SICK "), ("SICK ", "SICK "), (" SICK", "SICK\u00a0")])
def test_blanks_at_the_ends_of_class_names_are_left_out_with_a_note(tmp_path, names) -> None:
    train, test = names
    index = indexed(write_classes(tmp_path, {f"train/{train}": 3, "train/X": 1, f"test/{test}": 2, "test/X": 1}))

    odd = sorted({name for name in names if name != "SICK"})
    assert index.counts == {"train": {"SICK": 3, "X": 1}, "test": {"SICK": 2, "X": 1}}
    assert set(index.classes) == {"SICK", "X"}
    assert index.notes == (f"blanks at the ends of class names are left out: {', '.join(map(repr, odd))}",)


def test_one_split_may_hold_a_class_with_and_without_a_blank(tmp_path) -> None:
    assert indexed(write_classes(tmp_path, {"SICK ": 3, "SICK": 2, "X": 1})).counts == {None: {"SICK": 5, "X": 1}}


def test_a_class_whose_name_is_blank_is_refused(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="a class is called '  ', which nobody can read; rename its folder"):
        indexed(write_classes(tmp_path, {"  ": 1, "X": 1}))


def test_an_accent_that_is_written_in_two_ways_is_one_class(tmp_path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Épanchement") for form in ("NFC", "NFD"))

    index = indexed(
        write_classes(tmp_path, {f"train/{composed}": 2, "train/X": 1, f"test/{decomposed}": 1, "test/X": 1})
    )

    assert index.classes == ("X", composed)


@pytest.mark.parametrize("label", ["Effusion|Mass", "Effusion;Mass"])
def test_labels_of_several_findings_are_refused_with_what_can_be_trained(tmp_path, label) -> None:
    write_classes(tmp_path, {"Effusion": 1, "Mass": 1, label: 1})

    with pytest.raises(
        TrainingDataError, match=r"(?s)1 films have several findings.*exclude one another.*data\.task=findings"
    ):
        indexed(tmp_path)


def test_an_empty_class_folder_is_refused_by_name(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="train/B holds no films"):
        indexed(write_classes(tmp_path, {"train/A": 1, "train/B": 0}))


@pytest.mark.parametrize(("films", "count"), [({"train/A": 2, "test/A": 2}, 1), ({"A": 2}, 1), ({}, 0)])
def test_fewer_than_two_classes_are_refused(tmp_path, films, count) -> None:
    with pytest.raises(TrainingDataError, match=rf"has {count} classes .* at least two"):
        indexed(write_classes(tmp_path, films))


@pytest.mark.parametrize("test_class", ["Pneumonitis", "TB"])
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


def _deep(root, largest: int) -> None:
    for label in "AB":
        (root / label).mkdir()
        for number in range(3):
            film = unlike(32, seed=ord(label) + number).astype(np.uint16)
            film = (film.astype(np.float64) / film.max() * largest).round().astype(np.uint16)
            cv2.imwrite(str(root / label / f"{number}.png"), film)


def test_values_of_12_bits_in_png_files_of_16_are_noted_with_the_remedy(tmp_path) -> None:
    _deep(tmp_path, 4095)

    (note,) = indexed(tmp_path).notes

    assert note.startswith(
        "6 films are PNG of 16 bits, and 6 of 6 looked at hold values of at most 12 bits, up to 4,095"
    )
    assert "--set networks.intensity=percentile" in note


def test_png_files_that_use_their_16_bits_are_not_noted(tmp_path) -> None:
    _deep(tmp_path, 65535)

    assert indexed(tmp_path).notes == ()
