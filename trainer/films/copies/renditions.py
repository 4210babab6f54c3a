"""Other renditions of the films that train: the same pictures in another size or compression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.files import sha256_of
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.cache import prepared_films
from trainer.films.files import listing
from trainer.films.film import Film

_ALIKE = 0.9
"""Least correlation of the prepared pixels of two renditions; an exposure that differs does not change it."""


@dataclass(frozen=True, slots=True)
class Renditions:
    """Prepared renditions of some films."""

    films: NDArray[np.float32]  # [R, 1, S, S] in [0, 1]
    of: Mapping[int, int]
    """Index of the rendition by that of its film."""


def read_renditions(
    films: Sequence[Film], prepared: NDArray[np.float32], folder: Path, spec: PreprocessSpec, cache: Path
) -> Renditions:
    """Find other renditions of films by their file names without the ending, and prepare them.

    Args:
        films: V films.
        prepared: the same films, [V, 1, S, S].
        folder: with renditions at any depth; files of other names are not looked at.
        spec: how films are prepared.
        cache: folder for prepared films.

    Raises:
        TrainingDataError: no film has a rendition, two have the same name, one shows another picture, or cannot be
            read.
    """
    files = _by_name(folder)
    pairs = {index: files[film.path.stem] for index, film in enumerate(films) if film.path.stem in files}
    if not pairs:
        msg = f"no file below {folder} has the name of a film that trains, so there are no renditions; name them alike"
        raise TrainingDataError(msg)
    found = [replace(films[index], path=path, sha256=sha256_of(path)) for index, path in pairs.items()]
    others = prepared_films(found, spec, cache)
    strangers = [
        path.relative_to(folder).as_posix()
        for (index, path), other in zip(pairs.items(), others, strict=True)
        if not np.corrcoef(prepared[index].ravel(), other.ravel())[0, 1] >= _ALIKE
    ]
    if strangers:
        msg = (
            f"{len(strangers)} files below {folder} show another picture than the film of their name; remove them:"
            + listing(strangers)
        )
        raise TrainingDataError(msg)
    return Renditions(others, {index: row for row, index in enumerate(pairs)})


def _by_name(folder: Path) -> Mapping[str, Path]:
    """The files of a folder, at any depth, by their names without the ending."""
    files: dict[str, Path] = {}
    twice = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        twice += [path.name] if path.stem in files else []
        files[path.stem] = path
    if twice:
        msg = f"{len(twice)} files below {folder} have the name of another; keep one of each:" + listing(twice)
        raise TrainingDataError(msg)
    return files
