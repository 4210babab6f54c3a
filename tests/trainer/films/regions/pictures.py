"""Films and masks that the tests of masks and boxes draw."""

from pathlib import Path

import cv2
import numpy as np

from trainer.films.film import Film


def film_at(path: Path) -> Film:
    return Film(path, "PNEUMONIA", "1", "val", "0" * 64)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def lungs(rows: int, columns: int) -> np.ndarray:
    """Bright where the lungs are, [rows, columns]."""
    picture = np.zeros((rows, columns), np.uint8)
    picture[rows // 4 : rows * 3 // 4, columns // 5 : columns * 2 // 5] = 255
    picture[rows // 4 : rows * 3 // 4, columns * 3 // 5 : columns * 4 // 5] = 255
    return picture
