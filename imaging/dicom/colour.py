"""Films that were stored in colour, as RGB, a band at a time.

pydicom converts colour spaces in floating point: 28 bytes a pixel, which must not be those of a whole film.

Source: DICOM PS3.3 C.7.6.3.1.2, C.7.6.3.1.3.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import ExplicitVRLittleEndian

from imaging.dicom.pixel_data import ImagePixel
from imaging.limits import parsing
from imaging.memory.bands import bands

_SAMPLES = {"YBR_FULL_422": 2}
_ALL_SAMPLES = 3


def native_colour(data: memoryview, module: ImagePixel, band: slice) -> NDArray[np.uint8]:
    """Some rows of uncompressed Pixel Data: uint8 [h, W, 3], RGB.

    Args:
        data: 8 bits a sample, which have no byte order any more.
        module: size and layout of the film.
        band: the rows; with YBR_FULL_422 an even number of pixels, whose pairs share their colour.

    Raises:
        InvalidImageError: the layout cannot be that of its photometric interpretation.
    """
    options = module.options | {"rows": band.stop - band.start}
    samples = _SAMPLES.get(module.photometric_interpretation, _ALL_SAMPLES)
    with parsing("DICOM colour pixels"):
        if module.planar_configuration and samples == _ALL_SAMPLES:
            plane = module.rows * module.columns
            start, stop = band.start * module.columns, band.stop * module.columns
            part = b"".join(data[index * plane + start : index * plane + stop] for index in range(samples))
        else:
            width = module.columns * samples
            part = bytes(data[band.start * width : band.stop * width])
        pixels, _ = get_decoder(ExplicitVRLittleEndian).as_array(part, **options)
    colour: NDArray[np.uint8] = pixels
    return colour


def to_rgb(pixels: NDArray[Any], photometric_interpretation: str) -> None:
    """Change a film [H, W, 3] from the colour space in which a codec left it to RGB, in its own memory."""
    if photometric_interpretation not in ("YBR_FULL", "YBR_FULL_422"):
        return
    rows, columns = pixels.shape[:2]
    for band in bands(rows, columns):
        pixels[band] = convert_color_space(pixels[band], photometric_interpretation, "RGB")
