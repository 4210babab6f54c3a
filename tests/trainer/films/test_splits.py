"""No patient and no copy of a film stands in two places; the places are drawn the same on every machine."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import TrainingConfigError, TrainingDataError
from tests.films import indexed
from trainer.films.film import Film, FilmIndex, SplitName
from trainer.films.leaks import close_leaks, find_leaks
from trainer.films.splits import Split, grouped_folds, grouped_split, read_split

ROOT = Path("films")


def film(name: str, label: str, patient: str, *, split=None, sha256: str | None = None, copy_of: str = "") -> Film:
    return Film(ROOT / name, label, patient, split, sha256 or name, copy_of=copy_of)


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


def test_a_patient_who_is_not_known_has_no_name_in_the_table_and_comes_back_as_the_film(tmp_path) -> None:
    films = (
        film("known", "A", "p", split="train"),
        replace(film("alone", "A", "alone", split="train"), patient_known=False),
        replace(film("studied", "A", "study:studied", split="val"), patient_known=False),
    )
    split = Split(ROOT, films)
    split.write(tmp_path / "split.csv")

    assert [line.split(",")[2] for line in split.table.splitlines()] == ["patient", "p", "", "study:studied"]
    assert read_split(tmp_path / "split.csv", ROOT) == split


@pytest.mark.parametrize("seed", range(3))
def test_patients_stay_whole_and_labels_keep_their_shares(seed) -> None:
    films = many(200)

    split = grouped_split(index(*films), val_fraction=0.15, test_fraction=0.2, seed=seed)
    places = defaultdict(set)
    for one in split.films:
        places[one.patient].add(one.split)
    totals = Counter(one.label for one in films)

    assert all(len(found) == 1 for found in places.values())
    assert [replace(one, split=None) for one in split.films] == films
    shares: dict[SplitName, float] = {"train": 0.65, "val": 0.15, "test": 0.2}
    for name, share in shares.items():
        held = Counter(one.label for one in split.of(name))
        assert {label: held[label] / totals[label] for label in totals} == pytest.approx(
            dict.fromkeys(totals, share), abs=0.01
        )


def test_the_same_seed_gives_the_split_that_it_gave_on_any_machine_before() -> None:
    split = grouped_split(index(*many(24)), val_fraction=0.25, seed=7)

    assert split.sha256 == "5c94abea0eee49f60702e19d0cc8ba9e52336b8870520bd2f461fce77ce2ff7b"
    assert grouped_split(index(*many(24)), val_fraction=0.25, seed=7) == split


def test_another_seed_gives_another_split() -> None:
    first, second = (grouped_split(index(*many(40)), val_fraction=0.2, seed=seed) for seed in (0, 1))

    assert first.sha256 != second.sha256


def test_one_patient_with_very_many_films_does_not_swamp_a_small_place() -> None:
    films = many(40) + [film(f"big-{number}", "NORMAL", "big") for number in range(60)]

    split = grouped_split(index(*films), val_fraction=0.1, seed=0)

    assert {one.split for one in split.films if one.patient == "big"} == {"train"}


def test_splits_that_the_folder_gives_stay_as_they_are() -> None:
    films = [*many(30, split="train"), *many(5, split="test")]
    films[-10:] = [replace(one, patient=f"t{one.patient}", sha256=f"t{one.sha256}") for one in films[-10:]]

    split = grouped_split(index(*films), val_fraction=0.2, test_fraction=0.5, seed=0)

    assert {one.path for one in split.of("test")} == {one.path for one in films if one.split == "test"}
    assert len(split.of("val")) == pytest.approx(0.2 * len(many(30)), abs=2)


def test_a_given_validation_set_is_not_drawn_again() -> None:
    films = [*many(10, split="train"), *many(10, split="val")]

    assert grouped_split(index(*films), val_fraction=0.2, seed=0).films == tuple(films)


def test_patients_who_share_the_bytes_of_a_film_stay_together() -> None:
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
def test_fractions_that_leave_no_films_are_refused(val_fraction, test_fraction) -> None:
    with pytest.raises(TrainingConfigError, match=r"val_fraction=.* must be shares"):
        grouped_split(index(*many(20)), val_fraction=val_fraction, test_fraction=test_fraction, seed=0)


def test_a_class_with_too_few_patients_for_every_place_is_named() -> None:
    films = [*(one for one in many(40) if one.label == "NORMAL"), film("lonely", "TB", "lonely")]

    with pytest.raises(TrainingDataError, match=r"class TB has no film in (train|val)"):
        grouped_split(index(*films), val_fraction=0.2, seed=0)


def test_the_table_survives_writing_and_reading(tmp_path) -> None:
    split = grouped_split(index(*many(12)), val_fraction=0.25, seed=0)

    split.write(tmp_path / "split.csv")

    assert read_split(tmp_path / "split.csv", ROOT) == split
    assert (tmp_path / "split.csv").read_text().splitlines()[0] == "path,label,patient,split,sha256"
    assert [path.name for path in tmp_path.iterdir()] == ["split.csv"]


@pytest.mark.parametrize("content", ["", "path,label\n", "path,label,patient,split,sha256\na,b,c,holdout,e\n"])
def test_a_table_of_another_form_is_refused(tmp_path, content) -> None:
    (tmp_path / "split.csv").write_text(content)

    with pytest.raises(TrainingDataError, match="is not a table of path, label"):
        read_split(tmp_path / "split.csv", ROOT)


def test_a_missing_table_is_refused(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="cannot be read"):
        read_split(tmp_path / "split.csv", ROOT)


def test_repeats_within_train_do_not_stop_a_run_and_end_on_one_side() -> None:
    films = index(*many(30, split="train"), film("again", "NORMAL", "other", split="train", sha256="NORMAL-0-0"))

    split = grouped_split(close_leaks(films), val_fraction=0.2, seed=0)

    assert find_leaks(split.films) == ()


@pytest.mark.real_data
def test_the_real_set_splits_by_patient_without_leaks(real_films) -> None:
    split = grouped_split(close_leaks(indexed(real_films / "kermany224")), val_fraction=0.15, seed=0)
    sides = [{one.patient for one in split.of(name)} for name in ("train", "val")]
    held = Counter(one.label for one in split.of("val"))

    assert not sides[0] & sides[1]
    assert find_leaks(split.films) == ()
    assert held == pytest.approx({"NORMAL": 0.15 * 1349, "PNEUMONIA": 0.15 * 3883}, abs=3)


def test_patients_who_share_a_picture_in_another_encoding_stay_together() -> None:
    pairs = [
        film(f"{name}{number}", "NORMAL", f"{name}{number}", copy_of=f"a{number}" if name == "b" else "")
        for number in range(40)
        for name in "ab"
    ]

    split = grouped_split(index(*pairs, *many(40)), val_fraction=0.4, seed=3)
    places = {one.path.name: one.split for one in split.films}

    assert all(places[f"a{number}"] == places[f"b{number}"] for number in range(40))
    assert {places[f"a{number}"] for number in range(40)} == {"train", "val"}


def test_attributes_and_copies_survive_writing_and_reading(tmp_path) -> None:
    films = (
        replace(film("a", "A", "a", split="train"), attributes={"sex": "F", "age": "3.5"}),
        replace(film("b", "B", "b", split="test", copy_of="a"), attributes={"view, angle": "AP"}),
    )
    split = Split(ROOT, films)

    split.write(tmp_path / "split.csv")

    assert read_split(tmp_path / "split.csv", ROOT) == split
    assert (tmp_path / "split.csv").read_text().splitlines() == [
        'path,label,patient,split,sha256,copy_of,age,sex,"view, angle"',
        "a,A,a,train,a,,3.5,F,",
        "b,B,b,test,b,a,,,AP",
    ]


@given(
    patients=st.lists(
        st.tuples(st.sampled_from(["NORMAL", "PNEUMONIA"]), st.integers(1, 4), st.integers(0, 9)),
        min_size=40,
        max_size=80,
    ),
    folds=st.integers(2, 5),
    seed=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_every_film_validates_in_one_fold_and_its_patient_and_copies_with_it(patients, folds, seed) -> None:
    films = [
        film(f"{patient}-{number}", label, f"p{patient}", split="train", copy_of=f"look{look}" if look < 3 else "")
        for patient, (label, count, look) in enumerate(patients)
        for number in range(count)
    ]
    extra = [
        film(f"{label}{number}", label, f"{label}{number}", split="val")
        for label in ("NORMAL", "PNEUMONIA")
        for number in range(60)
    ]

    divided = grouped_folds([*films, *extra], folds, seed)

    assert len(divided) == folds
    assert sorted(one.path for fold in divided for one in fold.val) == sorted(one.path for one in [*films, *extra])
    for fold in divided:
        assert {one.path for one in fold.train} | {one.path for one in fold.val} == {
            one.path for one in [*films, *extra]
        }
        assert {one.split for one in fold.train} == {"train"}
        assert {one.split for one in fold.val} == {"val"}
        assert not {one.patient for one in fold.train} & {one.patient for one in fold.val}
        assert not {one.content for one in fold.train} & {one.content for one in fold.val}
    assert grouped_folds([*films, *extra], folds, seed) == divided


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_each_class_is_spread_evenly_over_the_folds(folds) -> None:
    films = many(200)
    totals = Counter(one.label for one in films)

    for fold in grouped_folds(films, folds, seed=0):
        held = Counter(one.label for one in fold.val)

        assert held == pytest.approx({label: total / folds for label, total in totals.items()}, abs=4)


def test_another_seed_gives_other_folds() -> None:
    first, second = (grouped_folds(many(40), 4, seed=seed) for seed in (0, 1))

    assert first != second


def test_films_of_the_test_set_are_refused_in_folds() -> None:
    with pytest.raises(TrainingDataError, match="test films would be trained on"):
        grouped_folds([*many(40), film("t", "NORMAL", "t", split="test")], 4, seed=0)


def test_fewer_than_two_folds_are_refused() -> None:
    with pytest.raises(TrainingConfigError, match="folds=1: cross-validation needs at least 2"):
        grouped_folds(many(40), 1, seed=0)


def test_a_class_with_fewer_patients_than_folds_is_refused() -> None:
    films = [*many(40), *(film(f"TB{number}", "TB", f"TB{number}") for number in range(3))]

    with pytest.raises(TrainingDataError, match="class TB has no film in val"):
        grouped_folds(films, 4, seed=0)
