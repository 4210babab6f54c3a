"""The rib cage around a film's lungs, and a part of a film in one gray."""

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.films.regions.masks import Mask

Pixels = NDArray[np.float32]  # [S, S] in [0, 1]

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


def painted(film: Pixels, part: Mask) -> Pixels:
    """A film with `part` in one gray: the mean of a ring around it, or its own mean where nothing is around it."""
    ring = _widened(part, _SURROUNDINGS) & ~part
    gray = film[ring if ring.any() else part].mean()
    return np.where(part, gray, film).astype(np.float32)


def _widened(mask: Mask, share: float) -> Mask:
    reach = max(1, round(share * len(mask)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)
