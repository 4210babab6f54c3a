"""A contact sheet of varied films: what an augmentation recipe does, before hours are spent on it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.learning.augment import AugmentRecipe, apply


def preview(recipe: AugmentRecipe, films: NDArray[np.float32], *, variants: int = 7) -> bytes:
    """Draw a contact sheet: a row for each film, the film itself first, then its variants.

    Args:
        recipe: what is varied, and how far.
        films: float32 [V, 1, S, S] in [0, 1].
        variants: variations of each film.

    Returns:
        An 8-bit gray PNG.
    """
    seeds = np.arange(len(films) * variants).reshape(len(films), variants)
    rows = [
        np.hstack([_framed(film), *(_framed(apply(recipe, film, seed)) for seed in row)])
        for film, row in zip(films, seeds.tolist(), strict=True)
    ]
    _, png = cv2.imencode(".png", np.vstack(rows))
    return png.tobytes()


def _framed(film: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.pad((film[0] * 255).round().astype(np.uint8), 2, constant_values=255)
