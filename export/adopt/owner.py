"""What the owner of a network says that it answers: a CSV of films and probabilities."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.errors import TrainingDataError
from trainer.films.files import listing

FEWEST = 10
LEAST_SPREAD = 0.2
"""Between the smallest and the largest probability: answers that are all alike agree with any preprocessing."""
_FILM = ("film", "path", "file", "filename", "image")
_PROBABILITY = ("probability", "score", "p")
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class OwnerOutputs:
    """V films and the probabilities that the owner's own program gives for them."""

    films: tuple[Path, ...]
    probabilities: NDArray[np.float64]  # [V, K], NaN where none is given


def read_owner_outputs(table: Path, films: Path, classes: Sequence[str], negative_class: str | None) -> OwnerOutputs:
    """Read a CSV `film,probability`, or `film` and a column for each of some classes.

    Args:
        table: UTF-8 with a header; separated by commas, semicolons or tabs. Films are named by their paths relative to
            its folder or to `films`, or by a name that only one film there has.
        films: folder of the labelled films.
        classes: K names.
        negative_class: of two classes, `probability` is of the other one; None: of the second.

    Raises:
        TrainingDataError: not such a table, a film that is missing, or probabilities that say too little.
    """
    header, rows = _rows(table)
    film = next((name for name in header if name.lower() in _FILM), None)
    columns = _class_columns(header, classes, negative_class)
    if film is None or not columns:
        msg = (
            f"{table.name} starts with {','.join(header) or 'nothing'}; it needs the columns film,probability, or film "
            f"and one for each of {', '.join(classes)}"
        )
        raise TrainingDataError(msg)
    known = _by_name(films)
    paths = list[Path]()
    probabilities = np.full((len(rows), len(classes)), np.nan)
    faults = list[str]()
    for number, (line, row) in enumerate(rows):
        path = _found(row[film], table.parent, films, known)
        faults += [] if path else [f"line {line}: no film, or more than one, is called {Path(row[film]).name}"]
        paths.append(path or table)
        for name, index in columns.items():
            value = _probability(row[name])
            faults += [] if value is not None else [f"line {line}: {name} is {row[name]!r}, not a number in 0..1"]
            probabilities[number, index] = np.nan if value is None else value
    if faults:
        msg = f"{len(faults)} faults in {table.name}; give probabilities, after the sigmoid or softmax, and films:"
        raise TrainingDataError(msg + listing(faults))
    _require_telling(table, probabilities)
    return OwnerOutputs(tuple(paths), probabilities)


def _rows(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            delimiter = max(_DELIMITERS, key=first.count)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            cells = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{table.name} cannot be read as a table of UTF-8 ({error}); save it as CSV"
        raise TrainingDataError(msg) from error
    if uneven := [f"line {line}: {len(row)} cells" for line, row in cells if len(row) != len(header)]:
        msg = f"{table.name} needs rows of {len(header)} cells, as many as its header has; mend it:"
        raise TrainingDataError(msg + listing(uneven))
    return header, [(line, dict(zip(header, row, strict=True))) for line, row in cells]


def _class_columns(header: Sequence[str], classes: Sequence[str], negative_class: str | None) -> Mapping[str, int]:
    """The columns of probabilities, with the class of each."""
    named = {name: index for index, each in enumerate(classes) for name in header if name.lower() == each.lower()}
    if named or len(classes) != 2:  # noqa: PLR2004 - one probability says it for two classes
        return named
    finding = 0 if negative_class == classes[1] else 1
    return {name: finding for name in header if name.lower() in _PROBABILITY}


def _by_name(films: Path) -> dict[str, Path | None]:
    """Files below a folder by their names; None for a name that several have."""
    known: dict[str, Path | None] = {}
    for path in _files(films):
        known[path.name] = None if path.name in known else path
    return known


def _files(films: Path) -> Iterator[Path]:
    folder = films if films.is_dir() else films.parent
    return (path for path in folder.rglob("*") if path.is_file())


def _found(name: str, beside: Path, films: Path, known: Mapping[str, Path | None]) -> Path | None:
    if not name:
        return None
    candidates = (beside / name, films / name)
    return next((path for path in candidates if path.is_file()), None) or known.get(Path(name).name)


def _probability(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _require_telling(table: Path, probabilities: NDArray[np.float64]) -> None:
    if len(probabilities) < FEWEST:
        msg = f"{table.name} has {len(probabilities)} films; give at least {FEWEST}, better 20, with differing answers"
        raise TrainingDataError(msg)
    given = probabilities[:, ~np.isnan(probabilities).any(axis=0)]
    spread = float(np.ptp(given, axis=0).max())
    if spread < LEAST_SPREAD:
        msg = (
            f"the probabilities of {table.name} lie within {spread:.3f}, where any preprocessing would agree; give "
            f"films whose probabilities differ by {LEAST_SPREAD} or more"
        )
        raise TrainingDataError(msg)
