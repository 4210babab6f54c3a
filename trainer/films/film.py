"""Films with their truth, and the index of all that a run was given; where they come from is known to `trainer.sources`."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal, Protocol, TypeVar

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
KERMANY = re.compile(r"(?P<prefix>person|(?:NORMAL2-)?IM-)(?P<number>\d+)(?:_(?P<subtype>bacteria|virus))?[-_]\d")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Film:
    """One file with its truth."""

    path: Path
    label: str
    patient: str
    """Films of one patient never stand on two sides of a split of ours; a film of no known patient stands for itself."""
    split: SplitName | None
    """Where the film is used; None: the source does not say."""
    sha256: str
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What else is known, e.g. sex, age (years), view; what is not known has no entry."""
    copy_of: str = ""
    """The sha256 of the first film that shows the same picture in another encoding; empty: of none that is known."""

    @property
    def content(self) -> str:
        """Equal for films that show the same picture, whatever their encoding."""
        return self.copy_of or self.sha256

    @property
    def numbered_patient(self) -> str:
        """The patient as the official splits count: Kermany numbers bacterial and viral patients apart.

        By number alone 170 patients would stand in both its train and its test set, by number and
        subtype none does. A patient who is known otherwise than from the name is who they are.
        """
        match = KERMANY.match(self.path.name)
        if match is None or match["subtype"] is None or self.patient != match["prefix"] + match["number"]:
            return self.patient
        return f"{self.patient}_{match['subtype']}"


@dataclass(frozen=True, slots=True)
class FilmIndex:
    """The films below `root` in the order of their source; every class has films in every split that the source gives."""

    root: Path
    films: tuple[Film, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What was decided about the films, for the record of the run."""
    dropped: tuple[str, ...] = ()
    """Each film that the source has and the run does not use, with the reason."""

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
        """Films of each class in each split that the source gives; the key None: no split is given."""
        found = Counter((film.split, film.label) for film in self.films)
        splits = [split for split in (*SPLITS, None) if any(key == split for key, _ in found)]
        return {split: {label: found[split, label] for label in self.classes} for split in splits}


def data_sha256(films: Iterable[Film]) -> str:
    """Hash over the sorted film hashes and labels: the identity of a set of films, wherever it lies."""
    lines = sorted(f"{film.sha256} {film.label}\n" for film in films)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_classes(films: Iterable[Film], classes: Iterable[str], splits: Iterable[SplitName | None]) -> None:
    """Every class must have a film in every one of `splits`.

    Raises:
        TrainingDataError: one has none.
    """
    held = {(film.split, film.label) for film in films}
    for split, label in product(splits, classes):
        if (split, label) not in held:
            msg = (
                f"class {label} has no film in {split or 'the data'}: none was given, too few patients, or only copies; "
                "add films, remove the class, or change the fractions"
            )
            raise TrainingDataError(msg)


def read_files(
    paths: Sequence[Path], read: Callable[[Path], T], *, root: Path, progress: Progress | None = None
) -> Iterator[T]:
    """Yield `read(path)` of every path, in order, computed by one thread a core a bounded way ahead.

    Raises:
        TrainingDataError: after the last file, where `read` raised `OSError` or `CxrError` for some:
            lists the first of them, relative to `root`, and holds all of them.
    """

    def attempt(path: Path) -> T | OSError | CxrError:
        try:
            return read(path)
        except (OSError, CxrError) as error:
            return error

    failures: dict[Path, str] = {}
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), _READ_AHEAD):
            ahead = paths[start : start + _READ_AHEAD]
            for path, outcome in zip(ahead, pool.map(attempt, ahead), strict=True):
                done += 1
                if progress is not None:
                    progress(done, len(paths))
                if isinstance(outcome, OSError | CxrError):
                    failures[path] = str(outcome)
                else:
                    yield outcome
    if failures:
        lines = [f"{path.relative_to(root).as_posix()}: {reason}" for path, reason in failures.items()]
        msg = (
            f"{len(failures)} of {len(paths)} files cannot be read as films; mend or remove them, or leave them out "
            "with --skip-unreadable:" + listing(lines)
        )
        raise TrainingDataError(msg, unreadable=failures)


class HasPath(Protocol):
    """Anything that lies in a file."""

    @property
    def path(self) -> Path:
        """The file."""
        ...


F = TypeVar("F", bound=HasPath)


def read_or_skip(
    films: Sequence[F], read: Callable[[Sequence[F]], T], *, root: Path, skip: bool
) -> tuple[tuple[F, ...], T, tuple[str, ...]]:
    """Read films, without those that cannot be read where `skip` allows it.

    Args:
        films: what to read.
        read: reads all that it is given, as `read_files` does; called again without the unreadable ones.
        root: folder that the paths are told relative to.
        skip: whether unreadable films are left out.

    Returns:
        The readable films, what `read` made of them, and a line with the reason for each of the others.

    Raises:
        TrainingDataError: unreadable films without `skip`, or all are unreadable.
    """
    try:
        return tuple(films), read(films), ()
    except TrainingDataError as error:
        kept = tuple(film for film in films if film.path not in error.unreadable)
        if not (skip and error.unreadable and kept):
            raise
        reasons = error.unreadable.items()
    lines = (f"{path.relative_to(root).as_posix()}: unreadable: {reason}" for path, reason in reasons)
    return kept, read(kept), tuple(lines)


def listing(lines: Sequence[str]) -> str:
    """The first lines, each on its own, and how many more there are."""
    more = [f"… and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "".join(f"\n  {line}" for line in [*lines[:_LISTED], *more])
