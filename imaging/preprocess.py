"""A radiograph to the network's input: the one path that training and serving share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.memory.bands import WHOLE_PIXELS, bands
from imaging.radiograph import Radiograph
from schemas.preprocess import ClaheSpec, PreprocessSpec

Film = NDArray[np.float32]  # [H, W] in [0, 1]

Interpolation = Literal["area", "linear", "cubic", "nearest"]

_NEIGHBOURS: Mapping[Interpolation, int] = {
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST_EXACT,  # as Pillow: INTER_NEAREST takes the pixel above and to the left
}
AT_ONCE_PIXELS = 1 << 20
"""Up to here a film is averaged in one step. Another order would gain nothing, and change the last bits: the cards of
bundles are about these, and what is planted into a film is drawn by its bits (`trainer.judging.shifts`)."""
_COLUMNS = 256
"""Whose floats are held at a time: up to 3 MB for 3,000 rows, which stay in a processor's cache."""
_PERCENTILES = (0.005, 0.995)
_LONGEST_OF_CROP = 8
"""Times the shorter side; a film that is longer is squeezed to that, since what is cropped away costs memory, too."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in a frame: the rest of the frame is empty, and what lies outside is cut off.

    Top and left are negative where the picture reaches beyond the frame.
    """

    top: int
    left: int
    rows: int
    columns: int

    def within(self, frame: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the picture that lie in a frame of so many rows and columns."""
        return _shared(-self.top, self.rows, frame[0]), _shared(-self.left, self.columns, frame[1])

    def covered(self, frame: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the frame on which the picture lies."""
        return _shared(self.top, frame[0], self.rows), _shared(self.left, frame[1], self.columns)


def _shared(start: int, length: int, other: int) -> slice:
    """What a stretch shares with another one, which starts at `start` of it."""
    return slice(max(start, 0), min(start + other, length))


def prepare(radiograph: Radiograph, spec: PreprocessSpec) -> NDArray[np.float32]:
    """Compute what the network sees, of a film that was put upright first.

    Returns:
        float32 [1, S, S] in [0, 1], C-contiguous. Full-range intensity of a film that is S x S
        already is exactly pixel / largest value.
    """
    radiograph = radiograph.put_upright()
    square = (spec.size, spec.size)
    place = placement(radiograph.rows, radiograph.columns, spec)
    film = scaled(radiograph, spec.intensity, place.rows, place.columns, spec.interpolation)[place.within(square)]
    if spec.clahe is not None:
        film = _clahe(film, spec.clahe)
    prepared = np.zeros((1, *square), np.float32)
    prepared[0][place.covered(square)] = film
    return prepared


def placement(rows: int, columns: int, spec: PreprocessSpec) -> Placement:
    """Fit a film of `rows` x `columns` into a square: all of it, or centred with its aspect kept.

    The longer side of a film that is cropped is cut to whole pixels, and half a pixel of a margin goes to the even
    one, as torchvision does (`Resize`, `CenterCrop`).
    """
    side = spec.size
    if spec.resize == "squash":
        return Placement(0, 0, side, side)
    if spec.resize == "crop":
        shorter = min(rows, columns)
        longest = _LONGEST_OF_CROP * spec.cropped_side
        fitted_rows, fitted_columns = (
            min(length * spec.cropped_side // shorter, longest) for length in (rows, columns)
        )
        return Placement(
            -round((fitted_rows - side) / 2), -round((fitted_columns - side) / 2), fitted_rows, fitted_columns
        )
    longer = max(rows, columns)
    fitted_rows, fitted_columns = (max(1, round(length * side / longer)) for length in (rows, columns))
    return Placement((side - fitted_rows) // 2, (side - fitted_columns) // 2, fitted_rows, fitted_columns)


def scaled(
    radiograph: Radiograph,
    intensity: Literal["full_range", "percentile"],
    rows: int,
    columns: int,
    interpolation: Interpolation = "area",
) -> Film:
    """A film as float32 in [0, 1] of `rows` x `columns`, each axis resized by itself.

    Intensity is full by the largest storable value, or by the film's own percentiles; a film of one value has no
    percentiles to stretch and becomes 0. Of a film above `WHOLE_PIXELS` the columns are averaged a band at a time,
    which gives the same up to the rounding of float32 and needs no float for each of its pixels.
    """
    pixels = radiograph.pixels
    if intensity == "full_range" and interpolation == "area" and AT_ONCE_PIXELS < pixels.size <= WHOLE_PIXELS:
        # Stored values are averaged first, and only what is left of them is divided: half of the time.
        narrow = _average_rows(pixels, min(rows, pixels.shape[0]))
        return _unit_range(resize(narrow, rows, columns), 0, radiograph.largest_value)
    ends = (0, radiograph.largest_value) if intensity == "full_range" else _percentiles(pixels)
    if pixels.size <= WHOLE_PIXELS:
        return resize(_unit_range(pixels, *ends), rows, columns, interpolation)
    narrow = np.empty((pixels.shape[0], min(columns, pixels.shape[1])), np.float32)
    for band in bands(*pixels.shape):
        part = _unit_range(pixels[band], *ends)
        narrow[band] = resize(part, part.shape[0], narrow.shape[1], interpolation)
    return resize(narrow, rows, columns, interpolation)


def _average_rows(pixels: NDArray[np.uint8] | NDArray[np.uint16], rows: int) -> Film:
    """The averages that `resize` takes first, some columns at a time: not a bit differs, and no film of floats exists.

    The memory of one, 20 MB of a flat panel, took a third of the time to get.
    """
    height, columns = pixels.shape
    averages = np.empty((rows, columns), np.float32)
    memory = np.empty(height * _COLUMNS, np.float32)
    for left in range(0, columns, _COLUMNS):
        width = min(_COLUMNS, columns - left)
        part = memory[: height * width].reshape(height, width)
        part[:] = pixels[:, left : left + width]
        averages[:, left : left + width] = _resize(part, rows, width, cv2.INTER_AREA)
    return averages


def _unit_range(pixels: NDArray[np.uint8] | NDArray[np.uint16] | Film, low: int, high: int) -> Film:
    film = pixels.astype(np.float32, order="C")  # a film that was put upright is a view whose rows may be columns
    if low:
        film -= low
    film /= max(high - low, 1)
    return np.clip(film, 0, 1, out=film)


def resize(film: Film, rows: int, columns: int, interpolation: Interpolation = "area") -> Film:
    """Resize a film.

    `area` treats each axis by itself: the average where it shrinks, linear where it grows; OpenCV's area mode falls
    back to an aliasing interpolation on both axes as soon as one of them grows. The others alias, and exist for
    networks that were trained so. Cubic interpolation overshoots; the result is clipped to [0, 1].
    """
    if interpolation != "area":
        return np.clip(_resize(film, rows, columns, _NEIGHBOURS[interpolation]), 0, 1)
    shrunk = film
    if film.size > AT_ONCE_PIXELS:  # rows first: OpenCV averages whole rows twice as fast as both at once, or columns
        shrunk = _resize(film, min(rows, film.shape[0]), film.shape[1], cv2.INTER_AREA)
    shrunk = _resize(shrunk, min(rows, film.shape[0]), min(columns, film.shape[1]), cv2.INTER_AREA)
    return _resize(shrunk, rows, columns, cv2.INTER_LINEAR)


def _resize(film: Film, rows: int, columns: int, interpolation: int) -> Film:
    if film.shape == (rows, columns):
        return film
    return np.asarray(cv2.resize(film, (columns, rows), interpolation=interpolation), np.float32)


def _percentiles(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> tuple[int, int]:
    """The stored values below which 0.5 % and 99.5 % of the pixels lie; a histogram is exact and needs no sort."""
    counts = np.zeros(int(pixels.max()) + 1, np.int64)
    for band in bands(*pixels.shape):  # which makes 8 bytes of each pixel
        counts += np.bincount(pixels[band].ravel(), minlength=counts.size)
    cumulated = np.cumsum(counts)
    low, high = np.searchsorted(cumulated, [share * cumulated[-1] for share in _PERCENTILES])
    return int(low), int(high)


def _clahe(film: Film, spec: ClaheSpec) -> Film:
    """Equalise at the network's side, on 256 levels.

    The depth of the film has served the resize. OpenCV also takes 16 bits, but spreads the histogram of a tile
    (784 pixels at S = 224) over 65,536 bins, where no bin reaches the clip limit: the noise of a flat region
    (standard deviation 0.002) then grows to 0.130 instead of 0.007, and the call takes 4.6 ms instead of 0.15.
    """
    equalizer = cv2.createCLAHE(clipLimit=spec.clip_limit, tileGridSize=(spec.grid, spec.grid))
    equalized: Film = equalizer.apply((film * 255).round().astype(np.uint8)).astype(np.float32)
    equalized /= 255
    return equalized
