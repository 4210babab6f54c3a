"""No patient and no copy of a film stands in two places; the places are drawn the same on every machine."""

import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import TrainingConfigError, TrainingDataError
from tests.films import write_kermany
from trainer.films import Film, FilmIndex, index_films
from trainer.split import close_leaks, find_leaks, grouped_split, read_split

ROOT = Path("films")


def film(name: str, label: str, patient: str, *, split=None, sha256: str | None = None) -> Film:
    return Film(ROOT / name, label, patient, split, sha256 or name)


def index(*films: Film) -> FilmIndex:
    return FilmIndex(ROOT, films, tuple(sorted({one.label for one in films})))


def many(patients: int, *, split=None) -> list[Film]:
    """Patients of two classes, three to one, with one to four films each."""
    return [
        film(f"{label}-{patient}-{number}", label, f"{label}-{patient}", split=split)
        for patient in range(patients)
        for label in ("NORMAL", *("PNEUMONIA",) * (patient % 4 > 0))
        for number in range(1 + patient % 4)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_patients_stay_whole_and_labels_keep_their_shares(seed):
    films = many(200)

    split = grouped_split(index(*films), val_fraction=0.15, test_fraction=0.2, seed=seed)
    places = defaultdict(set)
    for one in split.films:
        places[one.patient].add(one.split)
    totals = Counter(one.label for one in films)

    assert all(len(found) == 1 for found in places.values())
    assert [replace(one, split=None) for one in split.films] == films
    for name, share in (("train", 0.65), ("val", 0.15), ("test", 0.2)):
        held = Counter(one.label for one in split.of(name))
        assert {label: held[label] / totals[label] for label in totals} == pytest.approx(
            dict.fromkeys(totals, share), abs=0.01
        )


def test_the_same_seed_gives_the_split_that_it_gave_on_any_machine_before():
    split = grouped_split(index(*many(24)), val_fraction=0.25, seed=7)

    assert split.sha256 == "5c94abea0eee49f60702e19d0cc8ba9e52336b8870520bd2f461fce77ce2ff7b"
    assert grouped_split(index(*many(24)), val_fraction=0.25, seed=7) == split


def test_another_seed_gives_another_split():
    first, second = (grouped_split(index(*many(40)), val_fraction=0.2, seed=seed) for seed in (0, 1))

    assert first.sha256 != second.sha256


def test_one_patient_with_very_many_films_does_not_swamp_a_small_place():
    films = many(40) + [film(f"big-{number}", "NORMAL", "big") for number in range(60)]

    split = grouped_split(index(*films), val_fraction=0.1, seed=0)

    assert {one.split for one in split.films if one.patient == "big"} == {"train"}


def test_splits_that_the_folder_gives_stay_as_they_are():
    films = [*many(30, split="train"), *many(5, split="test")]
    films[-10:] = [replace(one, patient=f"t{one.patient}", sha256=f"t{one.sha256}") for one in films[-10:]]

    split = grouped_split(index(*films), val_fraction=0.2, test_fraction=0.5, seed=0)

    assert {one.path for one in split.of("test")} == {one.path for one in films if one.split == "test"}
    assert len(split.of("val")) == pytest.approx(0.2 * len(many(30)), abs=2)


def test_a_given_validation_set_is_not_drawn_again():
    films = [*many(10, split="train"), *many(10, split="val")]

    assert grouped_split(index(*films), val_fraction=0.2, seed=0).films == tuple(films)


def test_patients_who_share_the_bytes_of_a_film_stay_together():
    chain = [film(f"{number}", "NORMAL", f"p{number}", sha256=f"copy{number // 2}") for number in range(40)]
    links = [
        film(f"link{number}", "NORMAL", f"p{number}", sha256=f"copy{number // 2 + 1}") for number in range(0, 16, 2)
    ]

    split = grouped_split(index(*chain, *links, *many(40)), val_fraction=0.3, seed=1)

    assert find_leaks(split.films) == ()
    assert len({one.split for one in split.films if one.patient in {f"p{number}" for number in range(18)}}) == 1


@pytest.mark.parametrize(
    ("val_fraction", "test_fraction"), [(0, 0), (1, 0), (-0.1, 0), (0.5, 0.5), (0.2, 1.2), (float("nan"), 0)]
)
def test_fractions_that_leave_no_films_are_refused(val_fraction, test_fraction):
    with pytest.raises(TrainingConfigError, match=r"val_fraction=.* must be shares"):
        grouped_split(index(*many(20)), val_fraction=val_fraction, test_fraction=test_fraction, seed=0)


def test_a_class_with_too_few_patients_for_every_place_is_named():
    films = [*(one for one in many(40) if one.label == "NORMAL"), film("lonely", "TB", "lonely")]

    with pytest.raises(TrainingDataError, match=r"class TB has no film in (train|val)"):
        grouped_split(index(*films), val_fraction=0.2, seed=0)


def test_the_table_survives_writing_and_reading(tmp_path):
    split = grouped_split(index(*many(12)), val_fraction=0.25, seed=0)

    split.write(tmp_path / "split.csv")

    assert read_split(tmp_path / "split.csv", ROOT) == split
    assert (tmp_path / "split.csv").read_text().splitlines()[0] == "path,label,patient,split,sha256"
    assert [path.name for path in tmp_path.iterdir()] == ["split.csv"]


@pytest.mark.parametrize("content", ["", "path,label\n", "path,label,patient,split,sha256\na,b,c,holdout,e\n"])
def test_a_table_of_another_form_is_refused(tmp_path, content):
    (tmp_path / "split.csv").write_text(content)

    with pytest.raises(TrainingDataError, match="is not a table of path, label"):
        read_split(tmp_path / "split.csv", ROOT)


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(TrainingDataError, match="cannot be read"):
        read_split(tmp_path / "split.csv", ROOT)


def test_numbering_collisions_of_bacterial_and_viral_patients_are_no_leak():
    films = (
        film("person7_bacteria_1.jpeg", "PNEUMONIA", "person7", split="train"),
        film("person7_virus_2.jpeg", "PNEUMONIA", "person7", split="test"),
    )

    assert find_leaks(films) == ()


def test_a_patient_in_two_given_splits_stops_the_run_even_when_copies_are_dropped(tmp_path):
    root = write_kermany(tmp_path, patients=2, side=32)
    shutil.copy(root / "train/PNEUMONIA/person2_bacteria_0.jpeg", root / "test/PNEUMONIA/person2_bacteria_8.jpeg")
    leaked = root / "test/PNEUMONIA/person1001_virus_0.jpeg"
    leaked.rename(leaked.with_name("person1_virus_9.jpeg"))
    films = index_films(root)

    assert [leak.kind for leak in find_leaks(films.films)] == ["copy", "patient", "patient"]
    with pytest.raises(
        TrainingDataError, match=r"3 leaks .*\n  copy: train/PNEUMONIA/person2_bacteria_0\.jpeg = test/"
    ):
        close_leaks(films)
    with pytest.raises(TrainingDataError, match=r"patient: train/PNEUMONIA/person1_virus_0\.jpeg = test/"):
        close_leaks(films, "drop")


def test_an_exact_copy_under_another_patients_name_stops_the_run_or_is_dropped(tmp_path):
    root = write_kermany(tmp_path, patients=2, side=32)
    shutil.copy(root / "test/NORMAL/IM-1001-0000.jpeg", root / "train/NORMAL/IM-0077-0001.jpeg")
    films = index_films(root)

    with pytest.raises(TrainingDataError, match=r"1 leaks .*--on-duplicates drop"):
        close_leaks(films)
    kept = close_leaks(films, "drop")

    assert {one.path for one in films.films} - {one.path for one in kept.films} == {
        root / "train/NORMAL/IM-0077-0001.jpeg"
    }
    assert kept.notes == ("dropped 1 exact copies from train and val",)


def test_dropping_keeps_every_test_film_and_one_copy_in_train():
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


def test_dropping_the_last_film_of_a_class_is_refused():
    films = index(
        film("a", "A", "a", split="train", sha256="same"),
        film("b", "B", "b", split="train"),
        film("c", "A", "c", split="test", sha256="same"),
        film("d", "B", "d", split="test"),
    )

    with pytest.raises(TrainingDataError, match="class A has no film in train"):
        close_leaks(films, "drop")


@pytest.mark.parametrize("on_duplicates", ["stop", "drop"])
def test_a_film_under_two_labels_stops_the_run(on_duplicates):
    films = index(film("a", "A", "a", sha256="same"), film("b", "B", "b", sha256="same"))

    with pytest.raises(TrainingDataError, match=r"1 films lie under two labels.*\n  A/a = B/b"):
        close_leaks(films, on_duplicates)


def test_repeats_within_train_do_not_stop_a_run_and_end_on_one_side():
    films = index(*many(30, split="train"), film("again", "NORMAL", "other", split="train", sha256="NORMAL-0-0"))

    split = grouped_split(close_leaks(films), val_fraction=0.2, seed=0)

    assert find_leaks(split.films) == ()


@pytest.mark.real_data
def test_the_real_set_leaks_nothing_between_its_official_splits(real_films):
    films = index_films(real_films / "kermany224")

    assert close_leaks(films) == films
    assert len(films.films) - len(close_leaks(films, "drop").films) == 26


@pytest.mark.real_data
def test_the_real_set_splits_by_patient_without_leaks(real_films):
    split = grouped_split(close_leaks(index_films(real_films / "kermany224")), val_fraction=0.15, seed=0)
    sides = [{one.patient for one in split.of(name)} for name in ("train", "val")]
    held = Counter(one.label for one in split.of("val"))

    assert not sides[0] & sides[1]
    assert find_leaks(split.films) == ()
    assert held == pytest.approx({"NORMAL": 0.15 * 1349, "PNEUMONIA": 0.15 * 3883}, abs=3)
