"""JPEG and PNG files to radiographs."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from imaging.limits import BoundedReader, DecodeLimits, parsing
from imaging.luminance import luminance
from imaging.memory.bands import bands
from imaging.memory.budget import peak_bytes
from imaging.png_chunks import without_damaged_chunks
from imaging.radiograph import Format, Radiograph
from schemas.errors import ImageTooLargeError, InvalidImageError, NotARadiographError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_START_OF_SCAN = b"\xff\xda"
_PNG_BIT_DEPTH_OFFSET = 24  # signature 8, length 4, IHDR 4, width 4, height 4

# What turns the stored picture upright. Source: Exif 3.0 (CIPA DC-008) tag 0x0112.
_UPRIGHT: Mapping[int, Callable[[Pixels], Any]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).T,
    8: np.rot90,
}
_UNSTATED = 0  # written by cameras that do not know it
_SIDES_SWAPPED = (5, 6, 7, 8)

_PHOTOMETRIC_INTERPRETATIONS: Mapping[str, str] = {
    "1": "MONOCHROME2",
    "L": "MONOCHROME2",
    "LA": "MONOCHROME2",
    "I;16": "MONOCHROME2",
    "P": "PALETTE COLOR",
    "CMYK": "CMYK",
}

_PIXEL_BYTES: Mapping[str, int] = {"1": 1, "L": 1, "P": 1, "I;16": 2}
_COLOUR_PIXEL_BYTES = 4
"""As Pillow keeps them: any number of bands above one in four."""
_COEFFICIENT_BYTES = 2
"""libjpeg's JCOEF."""


def decode_raster(data: bytes, file_format: Format, limits: DecodeLimits, min_side: int | None) -> Radiograph:
    """Decode a JPEG or PNG file; arguments and errors as in `imaging.decode.decode`."""
    if file_format == "jpeg" and count_scans(data) > limits.max_jpeg_scans:
        msg = f"the JPEG has more than {limits.max_jpeg_scans} scans; save it as a baseline JPEG"
        raise ImageTooLargeError(msg)
    what = file_format.upper()
    is_damaged = False
    if file_format == "png":
        data, is_damaged = without_damaged_chunks(data, limits.max_reads)
    image = _opened(data, what, limits)
    columns, rows = image.size
    photometric_interpretation = _PHOTOMETRIC_INTERPRETATIONS.get(image.mode, "RGB")
    orientation = _orientation(image)
    with parsing(what):
        if min_side is not None:
            image.draft(image.mode, (2 * min_side, 2 * min_side))
        limits.reserve(_decoding_bytes(image, rows * columns))
        image.decodermaxblock = len(data)  # by default 64 kB, and each piece gives up the GIL and waits for it again
        image.load()
        pixels, coloured = _gray(image)
    if orientation is not None and orientation in _UPRIGHT:
        pixels = np.ascontiguousarray(_UPRIGHT[orientation](pixels))
    bits = 8 * pixels.itemsize
    conditions = {
        "colour_image": coloured,
        # Pillow reads 16-bit gray whole, but 16-bit colour and alpha as 8 bits
        "reduced_depth": file_format == "png" and data[_PNG_BIT_DEPTH_OFFSET] > bits,
        "orientation_unreadable": orientation is None,
        "damaged_metadata": is_damaged,
    }
    return Radiograph(
        pixels=pixels,
        bits=bits,
        format=file_format,
        rows=columns if orientation in _SIDES_SWAPPED else rows,
        columns=rows if orientation in _SIDES_SWAPPED else columns,
        photometric_interpretation=photometric_interpretation,
        warnings=tuple(name for name, is_true in conditions.items() if is_true),
    )


def count_scans(data: bytes) -> int:
    """How often the marker of a scan stands in a JPEG; `bytes.count` takes four times as long, and holds the GIL."""
    content = np.frombuffer(data, np.uint8)
    before = np.flatnonzero(content[1:] == _START_OF_SCAN[1])
    return int(np.count_nonzero(content[before] == _START_OF_SCAN[0]))


def _opened(data: bytes, what: str, limits: DecodeLimits) -> ImageFile.ImageFile:
    """The one picture of a file, its header read and its size checked."""
    with parsing(what):
        image = Image.open(BoundedReader(data, limits.max_reads), formats=("JPEG", "PNG"))
        frames = getattr(image, "n_frames", 1)
    if frames != 1:
        msg = f"the {what} holds {frames} pictures; send one film"
        raise NotARadiographError(msg)
    limits.check_size(image.height, image.width)
    return image


def _orientation(image: Image.Image) -> int | None:
    """The EXIF orientation, 1 to 8, and 1 where none is stated; None where it cannot be read."""
    with contextlib.suppress(InvalidImageError), parsing("EXIF"):
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
        if orientation in (_UNSTATED, 1, *_UPRIGHT):
            return orientation or 1
    return None


def _decoding_bytes(image: Image.Image, stored_pixels: int) -> int:
    """The most memory that the picture will take; a progressive JPEG holds all coefficients even if it is reduced."""
    progressive = "progressive" in image.info
    coefficients = _COEFFICIENT_BYTES * len(image.getbands()) * stored_pixels if progressive else 0
    kept = _PIXEL_BYTES.get(image.mode, _COLOUR_PIXEL_BYTES)
    gray = 2 if image.mode == "I;16" else 1
    return coefficients + peak_bytes(image.width * image.height, decoding=kept, gray=gray)


def _gray(image: Image.Image) -> tuple[Pixels, bool]:
    """Gray pixels [H, W], transparent parts black; and whether the picture is really coloured."""
    columns, rows = image.size
    is_coloured = False

    def band_of(band: slice) -> Image.Image:
        return image.crop((0, band.start, columns, band.stop))

    pixels: Pixels
    if image.mode == "I;16":
        pixels = np.empty((rows, columns), np.uint16)
        transparent = image.info.get("transparency")
        for band in bands(rows, columns):
            deep = np.array(band_of(band))
            if transparent is not None:
                deep[deep == transparent] = 0
            pixels[band] = deep
    elif image.mode in ("1", "L") and not image.has_transparency_data:
        pixels = np.empty((rows, columns), np.uint8)
        for band in bands(rows, columns):
            pixels[band] = np.asarray(band_of(band).convert("L"))
    else:
        pixels, is_coloured = luminance(lambda band: _on_black(band_of(band)), rows, columns)
    return pixels, is_coloured


def _on_black(image: Image.Image) -> Image.Image:
    """The picture in RGB, its transparent parts black."""
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image.convert("RGB")
