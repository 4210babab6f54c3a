"""Patients stay whole, and each place has its share of every finding, of the rarest too."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import TrainingDataError
from trainer.films.film import Film, FilmIndex, SplitName
from trainer.films.marks import Mark, text_of
from trainer.films.splits import Split, grouped_folds, grouped_split, read_split
from trainer.films.subsample import sample_split

ROOT = Path("films")
PREVALENCE = {"Effusion": 0.3, "Mass": 0.15, "Edema": 0.08, "Hernia": 0.02}


def films(patients: int = 700) -> tuple[Film, ...]:
    """One to four films of each patient, whose findings come together and return."""
    random = np.random.default_rng(0)
    made: list[Film] = []
    for patient in range(patients):
        ill = random.random(4) < list(PREVALENCE.values())
        for number in range(random.integers(1, 5)):
            shown = ill & (random.random(4) < 0.8)
            marks: dict[str, Mark] = {
                name: "present" if on else "absent" for name, on in zip(PREVALENCE, shown.tolist(), strict=True)
            }
            if random.random() < 0.1:
                marks["Mass"] = "unknown"
            name = f"{patient}-{number}"
            made.append(Film(ROOT / name, text_of(marks), f"p{patient}", None, name, marks=marks))
    return tuple(made)


def index(*made: Film) -> FilmIndex:
    return FilmIndex(ROOT, made, tuple(PREVALENCE))


@pytest.mark.parametrize("seed", range(3))
def test_every_finding_has_its_share_in_every_place_and_patients_stay_whole(seed) -> None:
    made = films()

    split = grouped_split(index(*made), val_fraction=0.15, test_fraction=0.2, seed=seed)
    total = Counter(name for film in made for name in film.strata)

    shares: dict[SplitName, float] = {"train": 0.65, "val": 0.15, "test": 0.2}
    for part, share in shares.items():
        counts = Counter(name for film in split.of(part) for name in film.strata)
        assert len(split.of(part)) == pytest.approx(share * len(made), abs=10)
        for name, count in total.items():
            # A patient has up to four films: half a patient off is chance, more is not.
            assert counts[name] == pytest.approx(share * count, abs=max(3, 0.03 * count)), (part, name)
    places = {(film.patient, film.split) for film in split.films}
    assert len(places) == len({film.patient for film in made})


def test_the_split_depends_on_the_seed_alone() -> None:
    made = films(300)
    one, other, shuffled = (
        grouped_split(index(*given), val_fraction=0.2, seed=seed).films
        for given, seed in ((made, 1), (made, 2), (made[::-1], 1))
    )

    assert set(one) != set(other)
    assert {(film.path, film.split) for film in shuffled} == {(film.path, film.split) for film in one}


def test_a_copy_of_a_film_keeps_its_patients_together() -> None:
    made = films(300)
    copy = replace(made[0], path=ROOT / "copy", patient="another", sha256="copy", copy_of=made[0].sha256)

    split = grouped_split(index(*made, copy), val_fraction=0.2, seed=0)

    assert len({film.split for film in split.films if film.content == made[0].sha256}) == 1


def test_the_table_holds_the_findings_and_is_read_back(tmp_path) -> None:
    split = grouped_split(index(*films(300)), val_fraction=0.3, test_fraction=0.3, seed=0)
    split.write(tmp_path / "split.csv")

    assert read_split(tmp_path / "split.csv", ROOT, tuple(PREVALENCE)) == split
    with pytest.raises(TrainingDataError, match=r"split\.csv is of other findings"):
        read_split(tmp_path / "split.csv", ROOT, ("Effusion", "Mass"))


def test_folds_are_alike_in_each_finding() -> None:
    made = films()

    folds = grouped_folds(made, 4, seed=0)

    assert sorted(film.path for fold in folds for film in fold.val) == sorted(film.path for film in made)
    for name in PREVALENCE:
        counts = [sum(name in film.strata for film in fold.val) for fold in folds]
        assert max(counts) - min(counts) <= max(3, 0.05 * sum(counts))


def test_a_sample_has_every_finding_in_every_place_and_about_the_size_that_is_asked_for() -> None:
    split = grouped_split(index(*films()), val_fraction=0.15, test_fraction=0.2, seed=0)

    sample = sample_split(split, 200, seed=0)

    assert len(sample.films) == pytest.approx(200, abs=10)
    assert {name for film in sample.of("val") for name in film.strata} >= set(PREVALENCE)


def test_a_finding_that_too_few_patients_have_is_refused_by_name() -> None:
    few = [film for film in films(300) if "Hernia" not in film.strata]
    one = replace(few[0], marks={**few[0].marks, "Hernia": "present"}, patient="only")

    with pytest.raises(TrainingDataError, match="class Hernia has no film in"):
        grouped_split(index(*few[1:], one), val_fraction=0.3, test_fraction=0.2, seed=0)


def test_films_of_classes_are_placed_as_before() -> None:
    made = [Film(ROOT / f"{n}", "AB"[n % 2], f"p{n // 2}", None, f"{n}") for n in range(40)]
    split = grouped_split(FilmIndex(ROOT, tuple(made), ("A", "B")), val_fraction=0.2, seed=3)

    assert isinstance(split, Split)
    assert Counter(film.split for film in split.films) == {"train": 32, "val": 8}
    assert Counter(film.label for film in split.of("val")) == {"A": 4, "B": 4}
