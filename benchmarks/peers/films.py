"""The films that every server gets: synthetic, of full size, several of them, so that no cache can answer."""

from pathlib import Path
from typing import Final

import cv2

from imaging.phantom import phantom

ROWS: Final = 1500
COLUMNS: Final = 1200
COUNT: Final = 8
QUALITY: Final = 90
DESCRIPTION: Final = f"{COUNT} synthetic JPEG films of {ROWS} x {COLUMNS} in turn"


def write_films(folder: Path) -> list[Path]:
    """Draw them; the same at every run."""
    paths = []
    for seed in range(COUNT):
        pixels = phantom(ROWS, COLUMNS, seed=seed, opacity=seed / COUNT)
        paths.append(folder / f"film-{seed}.jpeg")
        paths[-1].write_bytes(cv2.imencode(".jpeg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
    return paths
