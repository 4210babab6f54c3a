"""A film in few numbers, which show only the arrangement of the chest."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 16
LENGTH = SIDE * SIDE
_FLAT = 0.02
"""Standard deviation below which a picture shows nothing: its noise is not blown up into a pattern."""


# The lungs' box goes so many standard deviations of the lungs' cells to each side: the lungs with a tenth around them.
# By moments and not by the outermost cells: it moves as smoothly as the film, and a stray cell moves it little.
HALF_WIDTH, HALF_HEIGHT = 1.9, 2.1
SMALLEST, LARGEST = 0.25, 1.1  # half of the box, as a share of half of the film
LEAST_MASS = 1e-3  # without lungs the box is the smallest, in the middle
_EDGES = np.linspace(-1, 1, SIDE + 1)


def thumbnail(prepared: NDArray[np.float32], lungs: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Describe a network input by 16 x 16 mean gray levels, free of exposure: [256], mean 0, standard deviation 1.

    Of the sides 16, 24 and 32, and of ranks and standardised levels, this refused most pictures that are not chest
    films or are upside down, at an equal share of refused validation films.

    Args:
        prepared: float32 [1, S, S] in [0, 1], from `imaging.preprocess.prepare`.
        lungs: where a guide sees lungs, [h, w] in [0, 1]; the film is then described inside of their box alone, so that
            a film with a margin around it looks like one without. None: the whole film.
    """
    film = prepared[0]
    small = cv2.resize(film, (SIDE, SIDE), interpolation=cv2.INTER_AREA) if lungs is None else _inside(film, lungs)
    levels = small.ravel().astype(np.float64)
    centered: NDArray[np.float64] = levels - levels.mean()
    centered /= max(math.sqrt(float(centered @ centered) / LENGTH), _FLAT)
    return centered


def thumbnails(films: NDArray[np.float32], lungs: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Those of prepared films [N, 1, S, S], with their lungs [N, h, w] or without: [N, 256]."""
    if lungs is None:
        return np.stack([thumbnail(film) for film in films])
    return np.stack([thumbnail(film, cells) for film, cells in zip(films, lungs, strict=True)])


def lungs_box(lungs: NDArray[np.float32]) -> NDArray[np.float64]:
    """The box that a network behind a guide sees, of one film: x, y, half width, half height; it goes from -1 to 1.

    `trainer.networks.lungs.guided` computes the same in the graph.

    Args:
        lungs: [h, w] in [0, 1].
    """
    weights = lungs.astype(np.float64) ** 2
    total = float(weights.sum()) + LEAST_MASS
    box = []
    for axis, wide in ((0, HALF_WIDTH), (1, HALF_HEIGHT)):
        profile = weights.sum(axis)
        cells = (np.arange(len(profile)) + 0.5) * (2 / len(profile)) - 1
        center = float(profile @ cells) / total
        variance = float(profile @ (cells - center) ** 2) / total
        box.append((center, min(max(wide * math.sqrt(variance + LEAST_MASS), SMALLEST), LARGEST)))
    (x, half_width), (y, half_height) = box
    return np.array([x, y, half_width, half_height])


def _inside(film: NDArray[np.float32], lungs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean gray levels of 16 x 16 cells of the lungs' box; what lies beyond the film is black."""
    x, y, half_width, half_height = lungs_box(lungs)
    (rows, down), (columns, across) = _cells(y, half_height, film.shape[0]), _cells(x, half_width, film.shape[1])
    means: NDArray[np.float64] = down @ film[rows, columns] @ across.T
    return means


def _cells(center: float, half: float, pixels: int) -> tuple[slice, NDArray[np.float64]]:
    """The pixels that the cells of the box cover along one axis, and the share of each cell that each of them covers.

    Returns:
        The n pixels, and [16, n]: as smooth as the box.
    """
    edges = (center + half * _EDGES + 1) * (pixels / 2)
    first, last = max(0, int(edges[0])), min(pixels, math.ceil(edges[-1]))
    pixel = np.arange(first, last)
    covered = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    shares: NDArray[np.float64] = np.maximum(covered, 0, out=covered)
    shares /= edges[1] - edges[0]
    return slice(first, last), shares
