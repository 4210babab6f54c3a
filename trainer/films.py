"""The films of a folder: found, sniffed, hashed and attributed to patients; it refuses to know splits that it must make."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from imaging.decode import sniff
from schemas.errors import CxrError, TrainingDataError

SplitName = Literal["train", "val", "test"]
Progress = Callable[[int, int], None]
"""Called with the number of films done and the number of all."""

SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
NEGATIVE_NAMES = ("normal", "no finding", "no_finding", "negative", "healthy")
MIN_VAL_FILMS = 50
"""A smaller validation set decides nothing: of Kermany's 16 films one is 6.25 %."""

_LISTED = 10
_READ_AHEAD = 256
# Kermany's names: person12_virus_35.jpeg, IM-0115-0001.jpeg, NORMAL2-IM-0246-0001-0002.jpeg
_KERMANY = re.compile(r"(?P<prefix>person|(?:NORMAL2-)?IM-)(?P<number>\d+)(?:_(?P<subtype>bacteria|virus))?[-_]\d")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Film:
    """One file with its truth."""

    path: Path
    label: str
    patient: str
    """Films of one patient never stand on two sides of a split of ours; a film of no known patient stands for itself."""
    split: SplitName | None
    """Where the film is used; None: the folder does not say."""
    sha256: str

    @property
    def numbered_patient(self) -> str:
        """The patient as the official splits count: Kermany numbers bacterial and viral patients apart.

        By number alone 170 patients would stand in both its train and its test set, by number and
        subtype none does.
        """
        match = _KERMANY.match(self.path.name)
        return self.patient if match is None or match["subtype"] is None else f"{self.patient}_{match['subtype']}"


@dataclass(frozen=True, slots=True)
class FilmIndex:
    """The films under `root` in the order of their paths; every class has films in every split that the folder gives."""

    root: Path
    films: tuple[Film, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What was decided about the folder, for the record of the run."""

    @property
    def negative_class(self) -> str | None:
        """The class that means none of the others, by its name; None where no single class has such a name."""
        names = [name for name in self.classes if name.lower() in NEGATIVE_NAMES]
        return names[0] if len(names) == 1 else None

    @property
    def data_sha256(self) -> str:
        """See `data_sha256`."""
        return data_sha256(self.films)

    @property
    def counts(self) -> dict[SplitName | None, dict[str, int]]:
        """Films of each class in each split that the folder gives; the key None: no split is given."""
        found = Counter((film.split, film.label) for film in self.films)
        splits = [split for split in (*SPLITS, None) if any(key == split for key, _ in found)]
        return {split: {label: found[split, label] for label in self.classes} for split in splits}


def index_folder(root: Path, *, progress: Progress | None = None) -> FilmIndex:
    """Index `train|val|test/<class>/<film>`, or `<class>/<film>` where no folder is called train, val or test.

    Films are JPEG, PNG or DICOM by content, whatever their extension. A validation set of fewer
    than `MIN_VAL_FILMS` becomes part of train. Hidden files are skipped.

    Raises:
        TrainingDataError: no such folder, a class without films, fewer than two classes, classes that
            differ between the splits, a split layout without train, or files that are not films.
    """
    if not root.is_dir():
        msg = f"{root} is not a folder; name the one that holds train/<class>/ or <class>/"
        raise TrainingDataError(msg)
    folders = _folders(root)
    given = [split for split in SPLITS if split in folders]
    layout: dict[SplitName | None, Path] = {split: root / split for split in given} if given else {None: root}
    if given and "train" not in given:
        msg = f"{root} has {', '.join(given)} but no train folder; add train/<class>/, or remove the split folders"
        raise TrainingDataError(msg)
    classes = _common_classes(layout)
    places = [
        (split, label, path)
        for split, folder in layout.items()
        for label in classes
        for path in _files(folder / label, root)
    ]
    digests = read_files([path for *_, path in places], _film_hash, root=root, progress=progress)
    films = [
        Film(path, label, _patient(path, root), split, digest)
        for (split, label, path), digest in zip(places, digests, strict=True)
    ]
    ignored = [name for name in folders if given and name not in given]
    notes = [f"ignored beside train: {', '.join(ignored)}"] if ignored else []
    return _without_small_val(FilmIndex(root, tuple(films), classes, tuple(notes)))


def data_sha256(films: Iterable[Film]) -> str:
    """Hash over the sorted film hashes and labels: the identity of a set of films, wherever it lies."""
    lines = sorted(f"{film.sha256} {film.label}\n" for film in films)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_files(
    paths: Sequence[Path], read: Callable[[Path], T], *, root: Path, progress: Progress | None = None
) -> Iterator[T]:
    """Yield `read(path)` of every path, in order, computed by one thread a core a bounded way ahead.

    Raises:
        TrainingDataError: after the last file, where `read` raised `OSError` or `CxrError` for some:
            lists the first of them, relative to `root`.
    """

    def attempt(path: Path) -> T | OSError | CxrError:
        try:
            return read(path)
        except (OSError, CxrError) as error:
            return error

    failures: list[str] = []
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), _READ_AHEAD):
            ahead = paths[start : start + _READ_AHEAD]
            for path, outcome in zip(ahead, pool.map(attempt, ahead), strict=True):
                done += 1
                if progress is not None:
                    progress(done, len(paths))
                if isinstance(outcome, OSError | CxrError):
                    failures.append(f"{path.relative_to(root).as_posix()}: {outcome}")
                else:
                    yield outcome
    if failures:
        msg = f"{len(failures)} of {len(paths)} files cannot be read as films; mend or remove them:" + listing(failures)
        raise TrainingDataError(msg)


def listing(lines: Sequence[str]) -> str:
    """The first lines, each on its own, and how many more there are."""
    more = [f"… and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "".join(f"\n  {line}" for line in [*lines[:_LISTED], *more])


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _common_classes(layout: dict[SplitName | None, Path]) -> tuple[str, ...]:
    found = {split: _folders(folder) for split, folder in layout.items()}
    classes = next(iter(found.values()))
    for split, names in found.items():
        if names != classes:
            msg = (
                f"train has the classes {', '.join(classes) or 'none'}, {split} has {', '.join(names) or 'none'}; "
                "every split needs a folder of the same name for every class"
            )
            raise TrainingDataError(msg)
    if len(classes) < 2:  # noqa: PLR2004 - a classifier tells at least two classes apart
        place = next(iter(layout.values()))
        msg = f"{place} has {len(classes)} class folders ({', '.join(classes) or 'none'}); training needs at least two"
        raise TrainingDataError(msg)
    return tuple(classes)


def _files(folder: Path, root: Path) -> list[Path]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    nested = [f"{entry.relative_to(root).as_posix()}/" for entry in entries if entry.is_dir()]
    if nested:
        msg = "a class folder holds films, not folders; move the films up and masks away:" + listing(nested)
        raise TrainingDataError(msg)
    if not entries:
        msg = f"{folder.relative_to(root).as_posix()} holds no films; add some or remove the class from every split"
        raise TrainingDataError(msg)
    return entries


def _film_hash(path: Path) -> str:
    data = path.read_bytes()
    sniff(data)
    return hashlib.sha256(data).hexdigest()


def _patient(path: Path, root: Path) -> str:
    match = _KERMANY.match(path.name)
    return path.relative_to(root).as_posix() if match is None else match["prefix"] + match["number"]


def _without_small_val(index: FilmIndex) -> FilmIndex:
    films = [film for film in index.films if film.split == "val"]
    if not 0 < len(films) < MIN_VAL_FILMS:
        return index
    moved = tuple(
        Film(film.path, film.label, film.patient, "train", film.sha256) if film.split == "val" else film
        for film in index.films
    )
    note = f"the val folder's {len(films)} films became part of train: fewer than {MIN_VAL_FILMS} decide nothing"
    return FilmIndex(index.root, moved, index.classes, (*index.notes, note))
