"""Which films train, which validate and which test: grouped by patient and picture, stratified by label or findings."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bundle.files import write_whole
from schemas.errors import TrainingConfigError, TrainingDataError
from trainer.films.film import SPLITS, STUDY, Film, FilmIndex, SplitName, check_classes
from trainer.films.marks import marks_of
from trainer.films.stratification import patient_groups, places_of

_COLUMNS = ("path", "label", "patient", "split", "sha256")
_COPY_OF = "copy_of"


@dataclass(frozen=True, slots=True)
class Split:
    """Every film of a run with its place; no patient and no copy of a film stands in two places."""

    root: Path
    films: tuple[Film, ...]

    def of(self, name: SplitName) -> tuple[Film, ...]:
        """The films of one place, in the order of the index."""
        return tuple(film for film in self.films if film.split == name)

    @property
    def table(self) -> str:
        """The table `path,label,patient,split,sha256`, then, where a film has them, `copy_of` and its attributes.

        Paths are relative to `root`; `patient` is empty where nothing is known of the patient.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        attributes = sorted({name for film in self.films for name in film.attributes})
        copies = [_COPY_OF] if any(film.copy_of for film in self.films) else []
        writer.writerow((*_COLUMNS, *copies, *attributes))
        for film in self.films:
            path = film.path.relative_to(self.root).as_posix()
            more = [*(film.copy_of for _ in copies), *(film.attributes.get(name, "") for name in attributes)]
            patient = film.patient if film.patient_known or film.patient != path else ""
            writer.writerow((path, film.label, patient, film.split, film.sha256, *more))
        return text.getvalue()

    @property
    def sha256(self) -> str:
        """Hash of the table: the identity of the split."""
        return hashlib.sha256(self.table.encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the table, whole or not at all."""
        write_whole(path, self.table.encode())


@dataclass(frozen=True, slots=True)
class Fold:
    """One division of cross-validation; `split` of each film is its side."""

    train: tuple[Film, ...]
    val: tuple[Film, ...]


def read_split(path: Path, root: Path, findings: Sequence[str] = ()) -> Split:
    """Read a table that `Split.write` wrote.

    Args:
        path: the table.
        root: the folder that its paths are relative to.
        findings: that its labels are marks of; empty: its labels are classes.

    Raises:
        TrainingDataError: no such table, or one of another form.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} cannot be read ({error}); start the run again"
        raise TrainingDataError(msg) from error
    head = tuple(rows[0]) if rows else ()
    if head[: len(_COLUMNS)] != _COLUMNS or any(len(row) != len(head) or row[3] not in SPLITS for row in rows[1:]):
        msg = f"{path} is not a table of {', '.join(_COLUMNS)} with splits {', '.join(SPLITS)}; start the run again"
        raise TrainingDataError(msg)
    try:
        return Split(root, tuple(_film(dict(zip(head, row, strict=True)), root, findings) for row in rows[1:]))
    except ValueError as error:
        msg = f"{path} is of other findings ({error}); start the run again"
        raise TrainingDataError(msg) from error


def _film(row: dict[str, str], root: Path, findings: Sequence[str]) -> Film:
    names: dict[str, SplitName] = {name: name for name in SPLITS}
    attributes = {name: value for name, value in row.items() if value and name not in (*_COLUMNS, _COPY_OF)}
    return Film(
        root / row["path"],
        row["label"],
        row["patient"] or row["path"],
        names[row["split"]],
        row["sha256"],
        attributes,
        row.get(_COPY_OF, ""),
        patient_known=bool(row["patient"]) and not row["patient"].startswith(STUDY),
        marks=marks_of(row["label"], findings) if findings else None,
    )


def grouped_split(index: FilmIndex, *, val_fraction: float, test_fraction: float = 0.0, seed: int) -> Split:
    """Give every film its place; a place that the source gives stays as it is.

    Patients, and patients who share a picture, stay together. Groups are taken in an order that a
    hash of the seed decides, the same on every machine, each to the place whose label counts it brings
    nearest to their targets in squared distance; of films with findings those with the rarest come first, see
    `trainer.films.stratification`.

    Args:
        index: films that passed `trainer.films.leaks.close_leaks`.
        val_fraction: share of the films outside the source's val and test that becomes val, where it gives none.
        test_fraction: the same for test; 0: no test set.
        seed: another seed gives another split.

    Raises:
        TrainingConfigError: fractions that are not shares, or that leave nothing to train on.
        TrainingDataError: a class with too few patients to stand in every place.
    """
    source_splits = set(index.counts)
    shares: dict[SplitName, float] = {}
    if "val" not in source_splits:
        shares["val"] = val_fraction
    if "test" not in source_splits and test_fraction:
        shares["test"] = test_fraction
    if not all(0 < share < 1 for share in shares.values()) or sum(shares.values()) >= 1:
        msg = f"val_fraction={val_fraction} and test_fraction={test_fraction} must be shares that leave films for train"
        raise TrainingConfigError(msg)
    pool = [film for film in index.films if film.split in (None, "train")]
    places = places_of(patient_groups(pool), {"train": 1 - sum(shares.values()), **shares}, seed)
    films = tuple(
        replace(film, split=places[film.patient]) if film.split in (None, "train") else film for film in index.films
    )
    check_classes(films, index.classes, ("train", *shares))
    return Split(index.root, films)


def grouped_folds(films: Sequence[Film], folds: int, seed: int) -> tuple[Fold, ...]:
    """Divide films for k-fold cross-validation: each validates in exactly one fold and trains in all others.

    Patients, and patients who share a picture, stay together in a fold; the folds are alike in the films of each
    class, by the rule of `grouped_split`. The same films and seed give the same folds on every machine, and the order
    of the films is kept within each.

    Args:
        films: of train and val of a split; where each of them stands is not asked. Test films are refused, so that
            they stay out of every fold.
        folds: k, at least 2.
        seed: another seed gives other folds.

    Returns:
        k folds, which hold all films each.

    Raises:
        TrainingConfigError: fewer than 2 folds.
        TrainingDataError: a test film, or a class with fewer patients than folds.
    """
    if folds < 2:  # noqa: PLR2004 - with one fold nothing is left to train on
        msg = f"folds={folds}: cross-validation needs at least 2"
        raise TrainingConfigError(msg)
    if any(film.split == "test" for film in films):
        msg = "test films would be trained on in cross-validation; give the films of train and val alone"
        raise TrainingDataError(msg)
    places = places_of(patient_groups(films), dict.fromkeys(range(folds), 1 / folds), seed)
    classes = sorted({name for film in films for name in film.marks or film.strata})
    divided = []
    for fold in range(folds):
        placed = [replace(film, split="val" if places[film.patient] == fold else "train") for film in films]
        check_classes(placed, classes, ("train", "val"))
        divided.append(Fold(*(tuple(film for film in placed if film.split == part) for part in ("train", "val"))))
    return tuple(divided)
