"""What stands in two given splits stops the run, or goes where copies may be dropped."""

import shutil
from pathlib import Path

import pytest

from schemas.errors import TrainingDataError
from tests.films import indexed, write_kermany
from trainer.films.film import Film, FilmIndex
from trainer.films.leaks import close_leaks, find_leaks

ROOT = Path("films")


def film(name: str, label: str, patient: str, *, split=None, sha256: str | None = None, copy_of: str = "") -> Film:
    return Film(ROOT / name, label, patient, split, sha256 or name, copy_of=copy_of)


def index(*films: Film) -> FilmIndex:
    return FilmIndex(ROOT, films, tuple(sorted({one.label for one in films})))


def test_numbering_collisions_of_bacterial_and_viral_patients_are_no_leak() -> None:
    films = (
        film("person7_bacteria_1.jpeg", "PNEUMONIA", "person7", split="train"),
        film("person7_virus_2.jpeg", "PNEUMONIA", "person7", split="test"),
    )

    assert find_leaks(films) == ()


def test_a_patient_in_two_given_splits_stops_the_run_even_when_copies_are_dropped(tmp_path) -> None:
    root = write_kermany(tmp_path, patients=2, side=32)
    shutil.copy(root / "train/PNEUMONIA/person2_bacteria_0.jpeg", root / "test/PNEUMONIA/person2_bacteria_8.jpeg")
    leaked = root / "test/PNEUMONIA/person1001_virus_0.jpeg"
    leaked.rename(leaked.with_name("person1_virus_9.jpeg"))
    films = indexed(root)

    assert [leak.kind for leak in find_leaks(films.films)] == ["copy", "patient", "patient"]
    with pytest.raises(
        TrainingDataError, match=r"3 leaks .*\n  copy: train/PNEUMONIA/person2_bacteria_0\.jpeg = test/"
    ):
        close_leaks(films)
    with pytest.raises(TrainingDataError, match=r"patient: train/PNEUMONIA/person1_virus_0\.jpeg = test/"):
        close_leaks(films, "drop")


def test_an_exact_copy_under_another_patients_name_stops_the_run_or_is_dropped(tmp_path) -> None:
    root = write_kermany(tmp_path, patients=2, side=32)
    shutil.copy(root / "test/NORMAL/IM-1001-0000.jpeg", root / "train/NORMAL/IM-0077-0001.jpeg")
    films = indexed(root)

    with pytest.raises(TrainingDataError, match=r"1 leaks .*--on-duplicates drop"):
        close_leaks(films)
    kept = close_leaks(films, "drop")

    assert {one.path for one in films.films} - {one.path for one in kept.films} == {
        root / "train/NORMAL/IM-0077-0001.jpeg"
    }
    assert kept.notes == ("dropped 1 exact copies and 0 in another encoding from train and val",)
    assert kept.dropped == ("train/NORMAL/IM-0077-0001.jpeg: copy of test/NORMAL/IM-1001-0000.jpeg",)


def test_dropping_keeps_every_test_film_and_one_copy_in_train() -> None:
    copies = [
        film(f"{split}{number}", "A", f"{split}{number}", split=split, sha256=split)
        for split in ("train", "val", "test")
        for number in range(2)
    ]
    over = [film("v", "A", "v", split="val", sha256="test"), film("t", "A", "t", split="train", sha256="val")]
    rest = [film(f"B{split}", "B", f"B{split}", split=split) for split in ("train", "val", "test")]

    kept = close_leaks(index(*copies, *over, *rest), "drop")

    assert [one.path.name for one in kept.films] == [
        "train0", "val0", "val1", "test0", "test1", "Btrain", "Bval", "Btest",
    ]  # fmt: skip


def test_a_copy_in_another_encoding_stops_the_run_or_is_dropped_like_an_exact_one() -> None:
    films = index(
        film("a", "A", "a", split="train", copy_of="t"),
        film("b", "A", "b", split="train"),
        film("t", "A", "t", split="test"),
        *(film(f"B{split}", "B", f"B{split}", split=split) for split in ("train", "test")),
    )

    with pytest.raises(TrainingDataError, match=r"1 leaks .*\n  near copy: a \(train, A\) = t \(test, A\)"):
        close_leaks(films)
    kept = close_leaks(films, "drop")

    assert [one.path.name for one in kept.films] == ["b", "t", "Btrain", "Btest"]
    assert kept.notes == ("dropped 0 exact copies and 1 in another encoding from train and val",)
    assert kept.dropped == ("a: copy of t",)


def test_exposures_of_one_split_that_look_alike_are_no_leak_and_are_not_dropped() -> None:
    films = index(
        *(
            film(f"{split}{number}", "A", split, split=split, copy_of=f"{split}0")
            for split in ("train", "val", "test")
            for number in range(2)
        ),
        *(film(f"B{split}", "B", f"B{split}", split=split) for split in ("train", "val", "test")),
    )

    assert close_leaks(films) == films
    assert close_leaks(films, "drop").films == films.films


def test_dropping_the_last_film_of_a_class_is_refused() -> None:
    films = index(
        film("a", "A", "a", split="train", sha256="same"),
        film("b", "B", "b", split="train"),
        film("c", "A", "c", split="test", sha256="same"),
        film("d", "B", "d", split="test"),
    )

    with pytest.raises(TrainingDataError, match="class A has no film in train"):
        close_leaks(films, "drop")


@pytest.mark.parametrize("on_duplicates", ["stop", "drop"])
def test_a_film_under_two_labels_in_two_encodings_stops_the_run(on_duplicates) -> None:
    films = index(film("a", "A", "a", sha256="one"), film("b", "B", "b", copy_of="one"))

    with pytest.raises(
        TrainingDataError, match=r"(?s)1 films lie under two labels.*near_duplicates=1.*\n  a \(A\) = b \(B\)"
    ):
        close_leaks(films, on_duplicates)


def test_leaks_name_films_by_their_paths_below_the_data_folder() -> None:
    views = [
        film(f"{folder}/patient00001/study{number}/view1_frontal.jpg", "A", "patient00001", split=split)
        for number, (folder, split) in enumerate([("train", "train"), ("valid", "val")])
    ]
    evident = [film(f"{split}/A/1.png", "A", "other", split=split) for split in ("train", "test")]

    assert [str(leak) for leak in find_leaks([*views, *evident], ROOT)] == [
        "patient: train/A/1.png = test/A/1.png",
        (
            "patient: train/patient00001/study0/view1_frontal.jpg (train, A) = "
            "valid/patient00001/study1/view1_frontal.jpg (val, A)"
        ),
    ]


@pytest.mark.parametrize("on_duplicates", ["stop", "drop"])
def test_a_film_under_two_labels_stops_the_run(on_duplicates) -> None:
    films = index(film("a", "A", "a", sha256="same"), film("b", "B", "b", sha256="same"))

    with pytest.raises(TrainingDataError, match=r"1 films lie under two labels.*\n  a \(A\) = b \(B\)"):
        close_leaks(films, on_duplicates)


@pytest.mark.real_data
def test_the_real_set_leaks_nothing_between_its_official_splits(real_films) -> None:
    films = indexed(real_films / "kermany224")

    assert close_leaks(films) == films
    assert len(close_leaks(films, "drop").dropped) == 26
