"""A film as a portable graymap: all its gray levels, in a form that a web page can read without a DICOM decoder."""

import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.radiograph import Radiograph

LONGEST_SIDE = 2048
"""More than a screen shows at once: a film of 12 megapixels becomes at most 8 MB."""

_WORD_BYTES = 2


def graymap(radiograph: Radiograph) -> bytes:
    """Encode a film as binary PGM, its longer side at most `LONGEST_SIDE`.

    The depth is that of the film, so that a window can still be set on all of it: one byte a pixel up to 8 bits,
    else two, the more significant first.

    Source: Netpbm, pgm(5): "P5", width, height, largest value, one white space, the rows from top to bottom.
    """
    rows, columns = _size(radiograph)
    pixels = _shrunk(radiograph.pixels, rows, columns)
    if pixels.itemsize == _WORD_BYTES and sys.byteorder == "little":
        pixels = pixels.byteswap()
    return f"P5\n{columns} {rows}\n{radiograph.largest_value}\n".encode("ascii") + pixels.tobytes()


def _size(radiograph: Radiograph) -> tuple[int, int]:
    """Rows and columns of the source's aspect, no larger than the film was decoded."""
    scale = min(max(radiograph.pixels.shape), LONGEST_SIDE) / max(radiograph.rows, radiograph.columns)
    return max(1, round(radiograph.rows * scale)), max(1, round(radiograph.columns * scale))


def _shrunk(pixels: NDArray[np.integer[Any]], rows: int, columns: int) -> NDArray[np.integer[Any]]:
    if pixels.shape == (rows, columns):
        return pixels
    return np.asarray(cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA), pixels.dtype)
