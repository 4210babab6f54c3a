"""Which films train, which validate and which test: grouped by patient, stratified by label, checked for leaks."""

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

from schemas.errors import TrainingConfigError, TrainingDataError
from trainer.files import write_atomically
from trainer.films import SPLITS, Film, FilmIndex, SplitName, listing

OnDuplicates = Literal["stop", "drop"]

_COLUMNS = ("path", "label", "patient", "split", "sha256")


@dataclass(frozen=True, slots=True)
class Leak:
    """Films of different splits that are not independent of one another."""

    kind: str
    """`patient`: the same patient; `copy`: the same bytes."""
    films: tuple[Film, ...]

    def __str__(self) -> str:
        """The kind, and the first film of each split."""
        first = {film.split: film for film in reversed(self.films)}
        names = [f"{split}/{first[split].label}/{first[split].path.name}" for split in SPLITS if split in first]
        return f"{self.kind}: {' = '.join(names)}"


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
        """The table `path,label,patient,split,sha256`; paths are relative to `root`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for film in self.films:
            path = film.path.relative_to(self.root).as_posix()
            writer.writerow((path, film.label, film.patient, film.split, film.sha256))
        return text.getvalue()

    @property
    def sha256(self) -> str:
        """Hash of the table: the identity of the split."""
        return hashlib.sha256(self.table.encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the table, whole or not at all."""
        write_atomically(path, self.table.encode())


def read_split(path: Path, root: Path) -> Split:
    """Read a table that `Split.write` wrote.

    Args:
        path: the table.
        root: the folder that its paths are relative to.

    Raises:
        TrainingDataError: no such table, or one of another form.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); start the run again"
        raise TrainingDataError(msg) from error
    if (
        not rows
        or tuple(rows[0]) != _COLUMNS
        or any(len(row) != len(_COLUMNS) or row[3] not in SPLITS for row in rows[1:])
    ):
        msg = f"{path} is not a table of {', '.join(_COLUMNS)} with splits {', '.join(SPLITS)}; start the run again"
        raise TrainingDataError(msg)
    names: dict[str, SplitName] = {name: name for name in SPLITS}
    films = (Film(root / row[0], row[1], row[2], names[row[3]], row[4]) for row in rows[1:])
    return Split(root, tuple(films))


def find_leaks(films: Iterable[Film]) -> tuple[Leak, ...]:
    """Patients and exact copies that stand in more than one split, in a stable order."""
    shared: dict[tuple[str, str], list[Film]] = defaultdict(list)
    for film in films:
        shared["copy", film.sha256].append(film)
        shared["patient", film.numbered_patient].append(film)
    return tuple(
        Leak(kind, tuple(group))
        for (kind, _), group in sorted(shared.items())
        if len({film.split for film in group}) > 1
    )


def close_leaks(index: FilmIndex, on_duplicates: OnDuplicates = "stop") -> FilmIndex:
    """The gate that every run passes: what leaks between the splits that the folder gives stops it, or is dropped.

    Args:
        index: the films as the folder gives them.
        on_duplicates: "drop" removes exact copies of a film: from train where val or test has it,
            from val where test has it, and repeats within train. Test films are never removed.

    Raises:
        TrainingDataError: a patient in two splits; a film under two labels; with "stop" also a
            copy in two splits; with "drop" a class that has no film left in a split.
    """
    _refuse_contradictions(index.films)
    kept = index
    if on_duplicates == "drop":
        films = _without_copies(index.films)
        note = f"dropped {len(index.films) - len(films)} exact copies from train and val"
        kept = replace(index, films=films, notes=(*index.notes, note))
        _check_classes(films, index.classes, index.counts)
    leaks = find_leaks(kept.films)
    if leaks:
        msg = (
            f"{len(leaks)} leaks between the splits: a figure on these films would flatter. Move each patient into one "
            "split; exact copies can be dropped by --on-duplicates drop:" + listing([str(leak) for leak in leaks])
        )
        raise TrainingDataError(msg)
    return kept


def grouped_split(index: FilmIndex, *, val_fraction: float, test_fraction: float = 0.0, seed: int) -> Split:
    """Give every film its place; a place that the folder gives stays as it is.

    Patients, and patients who share an exact copy, stay together. Groups are taken in an order that a
    hash of the seed decides, the same on every machine, each to the place whose label counts it brings
    nearest to their targets in squared distance.

    Args:
        index: films that passed `close_leaks`.
        val_fraction: share of the films outside the folder's val and test that becomes val, where it gives none.
        test_fraction: the same for test; 0: no test set.
        seed: another seed gives another split.

    Raises:
        TrainingConfigError: fractions that are not shares, or that leave nothing to train on.
        TrainingDataError: a class with too few patients to stand in every place.
    """
    given = set(index.counts)
    wanted: dict[SplitName, float] = {}
    if "val" not in given:
        wanted["val"] = val_fraction
    if "test" not in given and test_fraction:
        wanted["test"] = test_fraction
    if not all(0 < share < 1 for share in wanted.values()) or sum(wanted.values()) >= 1:
        msg = f"val_fraction={val_fraction} and test_fraction={test_fraction} must be shares that leave films for train"
        raise TrainingConfigError(msg)
    pool = [film for film in index.films if film.split in (None, "train")]
    places = _place(_groups(pool), {"train": 1 - sum(wanted.values()), **wanted}, seed)
    films = tuple(
        replace(film, split=places[film.patient]) if film.split in (None, "train") else film for film in index.films
    )
    _check_classes(films, index.classes, ("train", *wanted))
    return Split(index.root, films)


def _groups(films: Sequence[Film]) -> dict[str, list[Film]]:
    """Films by patient; patients who share the bytes of a film are one group."""
    parent = {film.patient: film.patient for film in films}

    def root(patient: str) -> str:
        while parent[patient] != patient:
            patient = parent[patient]
        return patient

    owner: dict[str, str] = {}
    for film in films:
        first, second = sorted((root(owner.setdefault(film.sha256, film.patient)), root(film.patient)))
        parent[second] = first
    groups: dict[str, list[Film]] = defaultdict(list)
    for film in films:
        groups[root(film.patient)].append(film)
    return groups


def _place(groups: dict[str, list[Film]], shares: dict[SplitName, float], seed: int) -> dict[str, SplitName]:
    """The place of each patient."""
    totals = Counter(film.label for group in groups.values() for film in group)
    targets = {place: {label: share * totals[label] for label in totals} for place, share in shares.items()}
    held: dict[SplitName, Counter[str]] = {place: Counter() for place in shares}
    places: dict[str, SplitName] = {}
    for name in sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest()):
        added = Counter(film.label for film in groups[name])

        def worsening(place: SplitName, added: Counter[str] = added) -> float:
            # Change of sum((held - target)^2 / target) when the group is added to this place.
            return sum(
                n * (n + 2 * (held[place][label] - targets[place][label])) / targets[place][label]
                for label, n in added.items()
            )

        place = min(shares, key=worsening)
        held[place].update(added)
        places.update((film.patient, place) for film in groups[name])
    return places


def _without_copies(films: Sequence[Film]) -> tuple[Film, ...]:
    held: set[str] = set()
    kept: set[Path] = set()
    for split in ("test", "val", "train", None):
        elsewhere = frozenset(held)
        for film in films:
            if film.split != split:
                continue
            if film.sha256 not in (elsewhere if split in ("test", "val") else held):
                kept.add(film.path)
            held.add(film.sha256)
    return tuple(film for film in films if film.path in kept)


def _refuse_contradictions(films: Sequence[Film]) -> None:
    labels: dict[str, Film] = {}
    clashes = [
        f"{first.label}/{first.path.name} = {film.label}/{film.path.name}"
        for film in films
        if (first := labels.setdefault(film.sha256, film)).label != film.label
    ]
    if clashes:
        msg = f"{len(clashes)} films lie under two labels; decide which is right:" + listing(clashes)
        raise TrainingDataError(msg)


def _check_classes(films: Sequence[Film], classes: Sequence[str], splits: Iterable[SplitName | None]) -> None:
    held = {(film.split, film.label) for film in films}
    for split, label in product(splits, classes):
        if (split, label) not in held:
            msg = (
                f"class {label} has no film in {split or 'the folder'}: too few patients or only copies; "
                "add films, remove the class, or change the fractions"
            )
            raise TrainingDataError(msg)
