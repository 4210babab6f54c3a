"""An archive of MedMNIST's kind becomes films without loss, once, in its official splits."""

import re
import resource
from pathlib import Path

import numpy as np
import pytest

from imaging.decode import decode
from schemas.errors import TrainingConfigError, TrainingDataError
from tests.films import indexed, unlike


def arrays(side: int = 28, *, colour: bool = False) -> dict:
    """60 films each for train and val, 10 for test, of two labels in turn."""
    counts = {"train": 60, "val": 60, "test": 10}
    found = {}
    for number, (split, count) in enumerate(counts.items()):
        films = np.stack([unlike(side, seed=1000 * number + film) for film in range(count)])
        found[f"{split}_images"] = np.stack([films, films // 2, films // 3], axis=-1) if colour else films
        found[f"{split}_labels"] = (np.arange(count) % 2).astype(np.uint8).reshape(count, 1)
    return found


@pytest.fixture
def archive(tmp_path) -> Path:
    np.savez_compressed(tmp_path / "films.npz", **arrays())
    return tmp_path / "films.npz"


@pytest.mark.parametrize("side", [28, 64])
def test_films_are_unpacked_without_loss_in_the_official_splits(tmp_path, side) -> None:
    given = arrays(side)
    np.savez(tmp_path / "films.npz", **given)

    index = indexed(tmp_path / "films.npz", cache=tmp_path / "cache")

    assert index.classes == ("0", "1")
    assert index.counts == {"train": {"0": 30, "1": 30}, "val": {"0": 30, "1": 30}, "test": {"0": 5, "1": 5}}
    assert index.notes == ("unpacked from films.npz",)
    for split in ("train", "val", "test"):
        films = [film for film in index.films if film.split == split]
        assert [film.label for film in films] == [str(label) for label in given[f"{split}_labels"].ravel()]
        for film, pixels in zip(films, given[f"{split}_images"], strict=True):
            assert np.array_equal(decode(film.path.read_bytes()).pixels, pixels)


def test_coloured_films_keep_the_order_of_their_channels(tmp_path) -> None:
    given = arrays(colour=True)
    np.savez(tmp_path / "films.npz", **given)

    film = decode(indexed(tmp_path / "films.npz", cache=tmp_path / "cache").films[0].path.read_bytes())

    assert film.warnings == ("colour_image",)
    assert film.pixels == pytest.approx(given["train_images"][0] @ [0.299, 0.587, 0.114], abs=1)


def test_labels_get_the_names_that_are_given(archive, tmp_path) -> None:
    index = indexed(archive, cache=tmp_path / "cache", label_names=("normal", "pneumonia"))

    assert (index.classes, index.negative_class) == (("normal", "pneumonia"), "normal")


def test_too_few_names_are_refused(archive, tmp_path) -> None:
    with pytest.raises(TrainingConfigError, match=r"label_names has 1 names, .* has the label 1"):
        indexed(archive, cache=tmp_path / "cache", label_names=("normal",))


def test_the_second_time_nothing_is_written_and_what_is_missing_is_written_again(archive, tmp_path) -> None:
    first = indexed(archive, cache=tmp_path / "cache")
    gone = first.films[3].path
    kept = first.films[4].path
    stamp = kept.stat().st_mtime_ns
    gone.unlink()

    assert indexed(archive, cache=tmp_path / "cache") == first
    assert gone.is_file()
    assert kept.stat().st_mtime_ns == stamp


def test_another_archive_of_the_same_name_is_another_set(archive, tmp_path) -> None:
    first = indexed(archive, cache=tmp_path / "cache")
    np.savez(archive, **arrays(32))

    assert indexed(archive, cache=tmp_path / "cache").root != first.root


def test_a_disk_without_space_is_named_and_leaves_no_half_film(archive, tmp_path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(
            TrainingDataError, match=r"npz-\w+ cannot hold 130 images \(File too large\); free some space"
        ):
            indexed(archive, cache=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def broken(change: str) -> dict:
    given = arrays()
    if change == "no train":
        del given["train_images"]
    elif change == "no labels":
        del given["val_labels"]
    elif change == "several findings":
        given["train_labels"] = np.full((60, 14), 2, np.uint8)
    elif change == "fractions":
        given["train_labels"] = np.full((60, 1), 0.5)
    elif change == "negative":
        given["train_labels"] = np.full((60, 1), -1)
    elif change == "volumes":
        given["train_images"] = np.zeros((60, 28, 28, 28), np.uint8)
    elif change == "floats":
        given["train_images"] = np.zeros((60, 28, 28))
    elif change == "fewer images":
        given["train_images"] = given["train_images"][:-1]
    elif change == "one label":
        given["test_labels"] *= 0
    return given


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no train", "it needs train_images and train_labels"),
        ("no labels", "it needs train_images and train_labels"),
        ("several findings", "has train_labels uint8 [60, 14]; one whole number"),
        ("fractions", "has train_labels float64 [60, 1]"),
        ("negative", "has train_labels int64 [60, 1]"),
        ("volumes", "has train_images uint8 [60, 28, 28, 28] for 60 labels"),
        ("floats", "has train_images float64"),
        ("fewer images", "has train_images uint8 [59, 28, 28] for 60 labels"),
        ("one label", "class 1 has no film in test"),
    ],
)
def test_each_fault_of_an_archive_is_said(tmp_path, change, message) -> None:
    np.savez(tmp_path / "films.npz", **broken(change))

    with pytest.raises(TrainingDataError, match=re.escape(message)):
        indexed(tmp_path / "films.npz", cache=tmp_path / "cache")


def test_a_file_that_is_no_archive_is_refused(tmp_path, archive) -> None:
    archive.write_bytes(archive.read_bytes()[:-100])

    with pytest.raises(TrainingDataError, match=r"films\.npz is not an archive of arrays, or only part of one"):
        indexed(archive)


@pytest.mark.parametrize("values", [np.array([{"a": 1}], dtype=object), np.uint8(1)])
def test_arrays_of_objects_and_single_numbers_are_refused(tmp_path, values) -> None:
    np.savez(tmp_path / "films.npz", **{**arrays(), "train_labels": values})

    with pytest.raises(TrainingDataError, match="train_labels"):
        indexed(tmp_path / "films.npz", cache=tmp_path / "cache")


@pytest.mark.real_data
def test_the_real_archive_has_the_official_counts(real_films, tmp_path) -> None:
    index = indexed(real_films / "pneumoniamnist_28_reconstructed.npz", cache=tmp_path)

    assert {split: sum(held.values()) for split, held in index.counts.items()} == {
        "train": 4708,
        "val": 524,
        "test": 624,
    }
