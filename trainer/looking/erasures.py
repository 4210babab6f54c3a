"""Films with their lungs, their rib cage or all but the cage erased; pure functions of pixels and masks."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from schemas.model.looking import Erasure
from trainer.films.regions.cage import Pixels, cage_of, painted
from trainer.films.regions.masks import Mask


def _outside_gray(film: Pixels, lungs: Mask, stranger: Pixels) -> Pixels:
    del stranger
    outside = ~cage_of(lungs)
    # Its own mean: a ring inside the cage would give the whole surroundings the gray of the ribs.
    return np.where(outside, film[outside].mean(), film).astype(np.float32)


ERASURES: Mapping[Erasure, Callable[[Pixels, Mask, Pixels], Pixels]] = MappingProxyType(
    {
        "as it is": lambda film, _, __: film,
        "lungs gray": lambda film, lungs, _: painted(film, lungs),
        "cage gray": lambda film, lungs, _: painted(film, cage_of(lungs)),
        "outside gray": _outside_gray,
        "outside swapped": lambda film, lungs, stranger: np.where(cage_of(lungs), film, stranger).astype(np.float32),
    }
)
"""Each of a film, its lungs, and another patient's film without its cage."""

assert set(ERASURES) == set(get_args(Erasure))  # noqa: S101 - a row of the record for each


def erased(
    erasure: Erasure, films: NDArray[np.float32], lungs: NDArray[np.bool_], patients: Sequence[str], *, seed: int = 0
) -> NDArray[np.float32]:
    """Films float32 [M, 1, S, S] in [0, 1] with a part erased.

    The outline of what is painted stays visible: a network may still read the shape of a lung, not what is in it.

    Args:
        erasure: which part.
        films: float32 [M, 1, S, S] in [0, 1].
        lungs: bool [M, S, S].
        patients: [M]; what is swapped comes from another patient, where there is one.
        seed: decides who gets whose surroundings.
    """
    erase = ERASURES[erasure]
    strangers = _strangers(patients, seed)
    changed = [
        erase(film[0], own, painted(films[other, 0], cage_of(lungs[other])))
        for film, own, other in zip(films, lungs, strangers, strict=True)
    ]
    return np.stack(changed)[:, None]


def _strangers(patients: Sequence[str], seed: int) -> list[int]:
    """For each film the index of another patient's film, each used about as often."""
    order = np.random.default_rng(seed).permutation(len(patients)).tolist()
    strangers = [0] * len(order)
    for place, film in enumerate(order):
        following = (order[(place + step) % len(order)] for step in range(1, len(order)))
        strangers[film] = next((other for other in following if patients[other] != patients[film]), film)
    return strangers
