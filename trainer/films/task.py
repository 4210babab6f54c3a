"""What a network distinguishes, and prepared films with their labels: what training and judging take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.preprocess import PreprocessSpec
from trainer.films.cache import prepared_films
from trainer.films.film import Film


@dataclass(frozen=True, slots=True)
class Task:
    """The classes that a network distinguishes."""

    classes: tuple[str, ...]
    """K names in the order of the logits."""
    negative_class: str | None
    """The class that means none of the others; None: every class is a finding."""

    @property
    def negative(self) -> int | None:
        """Index of the negative class."""
        return None if self.negative_class is None else self.classes.index(self.negative_class)

    def labels(self, films: Sequence[Film]) -> NDArray[np.int64]:
        """The truth of films as indices into the classes, [V]."""
        return np.array([self.classes.index(film.label) for film in films], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LabelledFilms:
    """Prepared films and their labels."""

    films: NDArray[np.float32]  # [V, 1, S, S] in [0, 1], may be memory-mapped
    labels: NDArray[np.int64]  # [V]
    classes: int  # K
    negative: int | None = None
    """Index of the class that means none of the findings."""


def labelled(films: Sequence[Film], task: Task, spec: PreprocessSpec, cache: Path) -> LabelledFilms:
    """Films decoded and prepared, with their labels.

    Args:
        films: V films.
        task: its classes hold the label of each film.
        spec: how films are prepared.
        cache: folder for prepared films.

    Raises:
        TrainingDataError: see `prepared_films`.
    """
    return LabelledFilms(prepared_films(films, spec, cache), task.labels(films), len(task.classes), task.negative)
