"""The DICOM grayscale pipeline as one table: every value that can be stored, and how bright it is.

Stored value → modality (PS3.3 C.11.1) → value of interest (C.11.2) → polarity (C.7.6.3.1.2). Computed over the
at most 65,536 storable values in float64, and not over the film's pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from imaging.dicom.attributes import items, numbers
from imaging.dicom.lookup_tables import SIGN, WORD, Values, look_up
from imaging.dicom.value_of_interest import value_of_interest
from schemas.errors import InvalidImageError

_WINDOWED_BITS = 16
_BYTE_BITS = 8


@dataclass(frozen=True, slots=True)
class Grayscale:
    """What to show for each stored bit pattern, in MONOCHROME2 polarity."""

    table: NDArray[np.uint8] | NDArray[np.uint16]  # [2**BitsStored]
    bits: int
    warnings: tuple[str, ...]


def grayscale(dataset: Dataset, *, bits_stored: int, signed: bool, inverted: bool) -> Grayscale:
    """Build the table of one film.

    Args:
        dataset: holds the attributes of the Modality LUT, VOI LUT and General Image modules.
        bits_stored: BitsStored, 1 to 16.
        signed: PixelRepresentation is 1, two's complement.
        inverted: PhotometricInterpretation is MONOCHROME1: the smallest value is white.

    Returns:
        A windowed film uses 16 bits, so that the window costs no depth. A film without a window, or with none that
        can be applied, keeps its stored values over the whole storable range: without a VOI LUT that stage is the
        identity (PS3.4 N.2.1.3, PS3.3 C.11.2.1.2.1 note 4). A stretch to the range of the film is not part of the
        standard and depends on single pixels; `PreprocessSpec.intensity` offers one that is robust and recorded.

    Raises:
        InvalidImageError: an attribute is outside what the standard allows.
    """
    patterns = 2**bits_stored
    stored = np.arange(patterns, dtype=np.float64)
    if signed:
        stored[patterns // 2 :] -= patterns
    with np.errstate(over="ignore"):  # an absurd slope or window is refused or saturates
        values, low, high, warnings = _modality(dataset, stored)
        interest = value_of_interest(dataset, values, is_signed=low < 0)
    brightness = interest.brightness
    bits = _WINDOWED_BITS
    if brightness is not None:
        warnings = ()  # about a scale that a window replaces
    else:
        brightness = (values - low) / (high - low)
        bits = bits_stored
    # PresentationLUTShape INVERSE means the same as MONOCHROME1 (PS3.3 C.8.11.3.1.2): inverted once, here.
    if inverted:
        brightness = 1 - brightness
    brightness[_padding(dataset, stored, signed=signed)] = 0
    dtype = np.uint8 if bits <= _BYTE_BITS else np.uint16
    return Grayscale((brightness * (2**bits - 1)).round().astype(dtype), bits, (*interest.warnings, *warnings))


def _modality(dataset: Dataset, stored: Values) -> tuple[Values, float, float, tuple[str, ...]]:
    """Modality values, the smallest and the largest possible one, and what was odd about them. Source: PS3.3 C.11.1."""
    tables = items(dataset, "ModalityLUTSequence")
    if tables:
        looked_up = look_up(tables[0], stored, is_signed=bool(stored.min() < 0))
        return looked_up.values, 0.0, looked_up.full_scale, looked_up.warnings
    slope = (*numbers(dataset, "RescaleSlope"), 1.0)[0]
    intercept = (*numbers(dataset, "RescaleIntercept"), 0.0)[0]
    values = stored * slope + intercept
    low, high = float(values.min()), float(values.max())
    if not 0 < high - low < np.inf:
        msg = "RescaleSlope and RescaleIntercept leave no range of values; export the film again"
        raise InvalidImageError(msg)
    return values, low, high, ()


def padding_range(dataset: Dataset, *, signed: bool) -> tuple[int, int] | None:
    """The smallest and largest stored value that fills the film's frame and is not tissue; None where none is stated.

    The values may arrive as signed or unsigned words, whatever the pixels are.

    Source: PS3.3 C.7.5.1.1.2.
    """
    first = numbers(dataset, "PixelPaddingValue")[:1]
    if not first:
        return None
    words = [int(value) & WORD for value in (*first, *numbers(dataset, "PixelPaddingRangeLimit")[:1])]
    ends = [word - WORD - 1 if signed and word >= SIGN else word for word in words]
    return min(ends), max(ends)


def _padding(dataset: Dataset, stored: Values, *, signed: bool) -> NDArray[np.bool_]:
    ends = padding_range(dataset, signed=signed)
    return np.zeros(stored.shape, np.bool_) if ends is None else (stored >= ends[0]) & (stored <= ends[1])
