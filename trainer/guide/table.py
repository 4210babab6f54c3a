"""The films that train a guide: a table with a column for each trait that is known of them."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from bundle.files import sha256_of
from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import Film, SplitName

FIXED: Final = ("path", "split", "patient", "mask", "oriented")
"""Columns with a meaning of their own; every other column is a trait."""
_SPLITS: Final = ("train", "val")
_YES: Final = ("yes", "1", "true")


@dataclass(frozen=True, slots=True)
class GuideFilm:
    """One film with what is known of it."""

    film: Film
    traits: Mapping[str, str]
    """Value by trait; a trait that is not known has no entry."""
    mask: Path | None
    """Of its lungs; None: there is none."""
    oriented: bool
    """The film is a frontal one that stands upright, so that its pose, polarity and lungs can be varied."""


@dataclass(frozen=True, slots=True)
class GuideTable:
    """The films of a table, and the values of its traits in the order in which they first occur."""

    films: tuple[GuideFilm, ...]
    traits: Mapping[str, tuple[str, ...]]

    def of(self, split: SplitName) -> tuple[GuideFilm, ...]:
        """The films of a split."""
        return tuple(each for each in self.films if each.film.split == split)


def read_table(path: Path) -> GuideTable:
    """Read a CSV of `path,split[,patient][,mask][,oriented]` and a column for each trait; blank cells are not known.

    Paths are relative to the table's folder. `split` is train or val; films of one patient stand in one of the two.

    Raises:
        TrainingDataError: the table cannot be read, lacks a column, names files that are not there, has a trait with
            fewer than two values, or a patient in both splits.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"the table {path.name} cannot be read: {error}"
        raise TrainingDataError(msg) from error
    if missing := [name for name in ("path", "split") if name not in columns]:
        msg = f"{path.name} has the columns {', '.join(columns)}; a guide's table needs {' and '.join(missing)}, too"
        raise TrainingDataError(msg)
    _check_rows(rows, path)
    names = tuple(name for name in columns if name not in FIXED)
    films = tuple(_film(row, names, path.parent) for row in rows)
    _check_patients(films)
    values = {name: tuple(dict.fromkeys(each.traits[name] for each in films if name in each.traits)) for name in names}
    if alike := [name for name, found in values.items() if len(found) < 2]:  # noqa: PLR2004 - or there is no choice
        msg = (
            f"{path.name}: {', '.join(alike)} has fewer than two values; add films of another value, or drop the column"
        )
        raise TrainingDataError(msg)
    return GuideTable(films, values)


def _check_rows(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    faults = [
        f"line {line}: split {row['split']!r} is neither train nor val"
        for line, row in enumerate(rows, start=2)
        if row["split"] not in _SPLITS
    ]
    faults += [
        f"line {line}: there is no file {row[column]}"
        for line, row in enumerate(rows, start=2)
        for column in ("path", "mask")
        if row.get(column) and not (path.parent / row[column]).is_file()
    ]
    if faults or not rows:
        msg = f"{path.name}: {len(faults)} faults in {len(rows)} films; mend the table:" + listing(faults)
        raise TrainingDataError(msg)


def _film(row: Mapping[str, str], names: Iterable[str], folder: Path) -> GuideFilm:
    file = folder / row["path"]
    traits = {name: row[name].strip() for name in names if (row[name] or "").strip()}
    film = Film(
        path=file,
        label="",
        patient=row.get("patient") or row["path"],
        split=cast("SplitName", row["split"]),
        sha256=sha256_of(file),
        patient_known=bool(row.get("patient")),
    )
    mask = folder / row["mask"] if row.get("mask") else None
    return GuideFilm(film, traits, mask, (row.get("oriented") or "").strip().lower() in _YES)


def _check_patients(films: Iterable[GuideFilm]) -> None:
    splits: dict[str, set[str | None]] = {}
    for each in films:
        splits.setdefault(each.film.patient, set()).add(each.film.split)
    if both := sorted(patient for patient, found in splits.items() if len(found) > 1):
        msg = f"{len(both)} patients stand in train and in val; keep each in one split, e.g. {both[0]}"
        raise TrainingDataError(msg)
