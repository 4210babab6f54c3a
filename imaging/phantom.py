"""A synthetic chest film, for golden sets, warm-up and tests: no patient, any size, any seed."""

import numpy as np
from numpy.typing import NDArray


def phantom(rows: int, columns: int, *, seed: int, opacity: float = 0.0) -> NDArray[np.uint8]:
    """Draw a frontal chest of two lungs, heart, ribs and noise.

    Args:
        rows: height in pixels.
        columns: width in pixels.
        seed: the same seed gives the same film.
        opacity: strength in [0, 1] of a consolidation in one lung, placed by the seed.

    Returns:
        uint8 [rows, columns], MONOCHROME2: air is dark.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j].astype(np.float32)

    def ellipse(center_x: float, center_y: float, radius_x: float, radius_y: float) -> NDArray[np.float32]:
        distance = np.hypot((x - center_x) / radius_x, (y - center_y) / radius_y)
        inside: NDArray[np.float32] = (1 / (1 + np.exp(12 * (distance - 1)))).astype(np.float32)
        return inside

    shift = random.uniform(-0.05, 0.05)
    scale = random.uniform(0.9, 1.1)
    film = 0.15 + 0.55 * ellipse(shift, 0.1, 0.95, 1.15)
    for side in (-1, 1):
        film -= 0.45 * ellipse(shift + side * 0.42, -0.05, 0.3 * scale, 0.62 * scale)
    film += 0.3 * ellipse(shift + 0.12, 0.3, 0.26, 0.32)
    film += 0.25 * np.exp(-((x - shift) ** 2) / 0.006)
    film += 0.05 * np.sin(16 * (y + 0.25 * (x - shift) ** 2) + random.uniform(0, 3)) * ellipse(shift, 0, 0.8, 0.9)
    if opacity > 0:
        side = random.choice((-1, 1))
        center_y = random.uniform(-0.1, 0.4)
        film += opacity * 0.4 * ellipse(shift + side * 0.42, center_y, 0.22, random.uniform(0.15, 0.3))
    film += random.normal(0, 0.015, film.shape).astype(np.float32)
    drawn: NDArray[np.uint8] = (np.clip(film, 0, 1) * 255).round().astype(np.uint8)
    return drawn
