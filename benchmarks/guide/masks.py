"""Masks of the lungs that an earlier guide finds, for films that nobody has drawn masks for.

A guide that learned from drawn masks of children finds the lungs of most adults, and some gas of the bowel beside them.
What is kept of a film are its two largest pieces, if together they look like a pair of lungs; other films stay without
a mask. A second guide learns from these masks beside the drawn ones (self-training; Lee, Pseudo-Label, ICML workshops
2013). Its Dice is measured on drawn masks alone.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bundle.files import write_whole
from trainer.films.cache import prepared_films
from trainer.films.film import Film
from trainer.guide.films import SPEC
from trainer.guide.folder import GuideFolder
from trainer.guide.measure import sight

Mask = NDArray[np.uint8]

SEEN = 0.5
LEAST_AREA, LARGEST_AREA = 0.05, 0.3  # of one lung, as shares of the film
MOST_UNEQUAL = 2.5
CACHE = Path(".cache/films")


def find_masks(films: Sequence[Film], guide: Path, out: Path) -> dict[Path, Path]:
    """Write a mask for each film whose lungs the guide finds; returns the masks by the path of their film."""
    _, network = GuideFolder(guide).read()
    lungs, _ = sight(network, prepared_films(films, SPEC, CACHE))
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for film, cells in zip(films, lungs, strict=True):
        pair = pair_of_lungs(cv2.resize(cells, (SPEC.size, SPEC.size), interpolation=cv2.INTER_LINEAR) > SEEN)
        if pair is not None:
            file = out / f"{film.path.stem}.png"
            write_whole(file, cv2.imencode(".png", 255 * pair)[1].tobytes())
            found[film.path] = file
    return found


def pair_of_lungs(seen: NDArray[np.bool_]) -> Mask | None:
    """The two largest pieces of [S, S], 1 in the lungs; None: they are not side by side, or not like a pair."""
    _, pieces, figures, centres = cv2.connectedComponentsWithStats(seen.astype(np.uint8))
    areas = figures[1:, cv2.CC_STAT_AREA] / seen.size
    largest = np.argsort(areas)[::-1][:2] + 1
    if len(largest) < 2:
        return None
    first, second = areas[largest - 1]
    (x, y), (other_x, other_y) = centres[largest] / len(seen)
    apart = (x - 0.5) * (other_x - 0.5) < 0 and abs(y - other_y) < 0.15
    if first > LARGEST_AREA or second < LEAST_AREA or first > MOST_UNEQUAL * second or not apart:
        return None
    return np.isin(pieces, largest).astype(np.uint8)
