"""Another background for a film: all but its rib cage becomes gray, or another film's."""

import numpy as np
from numpy.typing import NDArray

from trainer.films.regions.cage import cage_of, painted
from trainer.films.task import LabelledFilms

_GRAY = 0.5
"""Share of the new backgrounds that are one gray."""
_ELSEWHERE = 1
"""Keeps these draws apart from those of the augmentation, which has the same seed."""


def on_another_background(
    films: LabelledFilms, index: int, film: NDArray[np.float32], draw: int
) -> NDArray[np.float32]:
    """A film whose lungs are marked, on another background.

    A film whose background is a stranger's has that film's shoulders, arms and markers; where the stranger's own cage
    reaches beyond, the gray around it.

    Args:
        films: which train, with marks.
        index: of the film.
        film: the same, or its rendition, float32 [1, S, S] in [0, 1].
        draw: what the random choice is a function of.
    """
    assert films.marks is not None  # noqa: S101 a film with marked lungs has marks
    lungs = films.marks.lungs
    cage = cage_of(lungs[index])
    random = np.random.default_rng((draw, _ELSEWHERE))
    strangers = [other for other in lungs if other != index]
    if random.random() < _GRAY or not strangers or cage.all():
        level = random.random() if cage.all() else film[0][~cage].mean()
        background = np.full_like(film[0], level)
    else:
        other = strangers[random.integers(len(strangers))]
        background = painted(films.films[other, 0], cage_of(lungs[other]))
    replaced: NDArray[np.float32] = np.where(cage, film[0], background)[np.newaxis].astype(np.float32)
    return replaced


def has_another_background(share: float, draw: int) -> bool:
    """Whether a film is shown on another background in this epoch."""
    return bool(np.random.default_rng((draw, _ELSEWHERE, 0)).random() < share)
