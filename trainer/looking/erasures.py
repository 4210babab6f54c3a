"""Films with their lungs, their rib cage or all but the cage erased; pure functions of pixels and masks."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.model.looking import Erasure

Film = NDArray[np.float32]  # [S, S] in [0, 1]
Mask = NDArray[np.bool_]  # [S, S]

_RIM = 0.04
"""How far the cage reaches beyond the lungs' convex hull, as a share of the side: ribs, pleura and chest wall."""
_SURROUNDINGS = 0.06
"""Width of the ring whose mean gray an erased part gets, as a share of the side."""


def cage_of(lungs: Mask) -> Mask:
    """The rib cage: the convex hull of the lungs, mediastinum and heart among it, widened by its walls."""
    points = cv2.findNonZero(lungs.astype(np.uint8))
    hull = np.zeros(lungs.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return _widened(hull > 0, _RIM)


def painted(film: Film, part: Mask) -> Film:
    """A film with `part` in one gray: the mean of a ring around it, or its own mean where nothing is around it."""
    ring = _widened(part, _SURROUNDINGS) & ~part
    gray = film[ring if ring.any() else part].mean()
    return np.where(part, gray, film).astype(np.float32)


def _outside_gray(film: Film, lungs: Mask, stranger: Film) -> Film:
    del stranger
    outside = ~cage_of(lungs)
    # Its own mean: a ring inside the cage would give the whole surroundings the gray of the ribs.
    return np.where(outside, film[outside].mean(), film).astype(np.float32)


ERASURES: Mapping[Erasure, Callable[[Film, Mask, Film], Film]] = MappingProxyType(
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


def _widened(mask: Mask, share: float) -> Mask:
    reach = max(1, round(share * len(mask)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)
