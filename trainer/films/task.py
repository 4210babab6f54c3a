"""What a network distinguishes, and prepared films with their labels: what training and judging take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.model.decision import NO_FINDING
from schemas.model.trial import CalibratedNetwork
from schemas.preprocess import PreprocessSpec
from trainer.films.cache import prepared_films
from trainer.films.copies.renditions import Renditions
from trainer.films.film import Film
from trainer.films.marks import learned
from trainer.films.regions.marked import MarkedFilms

Labels = NDArray[Any]
"""The truth of V films: int64 [V], indices into classes that exclude one another; or float32 [V, K] of K findings that
are judged each by itself, see `trainer.films.marks.learned`."""


@dataclass(frozen=True, slots=True)
class Task:
    """The classes that a network distinguishes."""

    classes: tuple[str, ...]
    """K names in the order of the logits."""
    negative_class: str | None
    """The class that means none of the others; None: every class is a finding."""
    activation: Literal["softmax", "sigmoid"] = "softmax"
    """sigmoid: each class is a finding that is judged by itself."""

    @classmethod
    def of(cls, record: CalibratedNetwork) -> "Task":
        """The task that a network was trained for."""
        return cls(record.classes, record.negative_class, record.activation)

    @property
    def alone(self) -> bool:
        """Whether each class is a finding that is judged by itself."""
        return self.activation == "sigmoid"

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of films that the out-of-distribution check knows: the classes, and films with none of them."""
        return (*self.classes, NO_FINDING) if self.alone else self.classes

    @property
    def negative(self) -> int | None:
        """Index of the negative class."""
        return None if self.negative_class is None else self.classes.index(self.negative_class)

    def labels(self, films: Sequence[Film]) -> Labels:
        """The truth of films."""
        if self.alone:
            return np.stack([learned(film.marks or {}, self.classes) for film in films])
        return np.array([self.classes.index(film.label) for film in films], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LabelledFilms:
    """Prepared films and their labels."""

    films: NDArray[np.float32]  # [V, 1, S, S] in [0, 1], may be memory-mapped
    labels: Labels
    classes: int  # K
    negative: int | None = None
    """Index of the class that means none of the findings."""
    renditions: Renditions | None = None
    """For training: some of the films in another size or compression."""

    marks: MarkedFilms | None = None
    """For training: where the lungs and findings of some of the films lie."""

    @property
    def alone(self) -> bool:
        """Whether each class is a finding that is judged by itself."""
        return self.labels.ndim > 1

    @property
    def present(self) -> NDArray[np.bool_]:
        """Bool [V, K], the findings that each film is known to have; the negative class is none."""
        if self.alone:
            return np.asarray(self.labels == 1)
        present = self.labels[:, None] == np.arange(self.classes)
        if self.negative is not None:
            present[:, self.negative] = False
        return np.asarray(present)

    def drawn(self, index: int, draw: int) -> NDArray[np.float32]:
        """The film [1, S, S], or its other rendition where there is one and `draw` is odd."""
        film: NDArray[np.float32] = self.films[index]
        if self.renditions is not None and draw % 2 and (other := self.renditions.of.get(index)) is not None:
            film = self.renditions.films[other]
        return film


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
