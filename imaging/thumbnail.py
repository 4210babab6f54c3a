"""A film in few numbers, which show only the arrangement of the chest; computed without a network."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 16
LENGTH = SIDE * SIDE
_FLAT = 0.02
"""Standard deviation below which a picture shows nothing: its noise is not blown up into a pattern."""


def thumbnail(prepared: NDArray[np.float32]) -> NDArray[np.float64]:
    """Describe a network input by 16 x 16 mean gray levels, free of exposure: [256], mean 0, standard deviation 1.

    Of the sides 16, 24 and 32, and of ranks and standardised levels, this refused most pictures that are not chest
    films or are upside down, at an equal share of refused validation films.

    Args:
        prepared: float32 [1, S, S] in [0, 1], from `imaging.preprocess.prepare`.
    """
    small = cv2.resize(prepared[0], (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel().astype(np.float64)
    centered: NDArray[np.float64] = small - small.mean()
    centered /= max(float(centered.std()), _FLAT)
    return centered


def thumbnails(films: NDArray[np.float32]) -> NDArray[np.float64]:
    """Those of prepared films [N, 1, S, S]: [N, 256]."""
    return np.stack([thumbnail(film) for film in films])
