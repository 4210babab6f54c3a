"""Films that show nothing: one gray value everywhere, or a mark on it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.films.film import Film

_DARK = 0.02
"""Of the film's own range: no cell of a thumbnail below it shows anything."""
_SHOWN = 0.02
"""Share of the cells that must show something; a side marker covers less."""
_LISTED = 5


def black_notes(films: Sequence[Film], thumbnails: NDArray[np.float32], root: Path) -> tuple[str, ...]:
    """A note that names films which show nothing; none where each shows something.

    Args:
        films: V films.
        thumbnails: float32 [V, 1, S, S] in [0, 1], stretched to each film's own range.
        root: the folder that the names are relative to.
    """
    empty = [
        films[place].path.relative_to(root).as_posix() for place in np.flatnonzero(shows_nothing(thumbnails)).tolist()
    ]
    if not empty:
        return ()
    names = ", ".join(empty[:_LISTED]) + (", …" if len(empty) > _LISTED else "")
    note = (
        f"{len(empty):,} of {len(films):,} films are black or of one gray value: {names}; look at them, and remove "
        "those that are not films"
    )
    return (note,)


def shows_nothing(thumbnails: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of V films [V, 1, S, S] in [0, 1] are dark all over, [V]."""
    shown: NDArray[np.bool_] = (thumbnails > _DARK).mean(axis=(1, 2, 3)) < _SHOWN
    return shown
