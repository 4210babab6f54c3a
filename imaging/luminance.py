"""Colour pixels to gray ones, for films that were stored in colour."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imaging.memory.bands import bands

# Mean difference between the strongest and the weakest of R, G and B, of 255. Measured: at most 1.5 on 20 films and
# CT slices that are stored in colour, at least 21.6 on 20 photographs.
_COLOUR_SPREAD = 8.0
_COLOUR_PROBE_SIDE = 64
_SUBSAMPLED = 2
"""Pixels that share their colour in YBR_FULL_422: a band ends after such a pair, whatever the width."""


def luminance(colour: Callable[[slice], Image.Image], rows: int, columns: int) -> tuple[NDArray[np.uint8], bool]:
    """Gray pixels [H, W] of a picture; and whether it is really coloured.

    Args:
        colour: gives some rows in RGB.
        rows: of the picture.
        columns: of the picture.

    Source: ITU-R BT.601, which leaves R = G = B unchanged.
    """
    step = max(1, min(rows, columns) // _COLOUR_PROBE_SIDE)
    gray = np.empty((rows, columns), np.uint8)
    spread = 0
    probed = 0
    for band in bands(rows, columns, _SUBSAMPLED * step):
        picture = colour(band)
        probe = np.asarray(picture.reduce(step))
        spread += int((probe.max(axis=-1) - probe.min(axis=-1)).sum(dtype=np.int64))
        probed += probe.shape[0] * probe.shape[1]
        gray[band] = np.asarray(picture.convert("L"))
    return gray, spread > _COLOUR_SPREAD * probed
