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
        values, low, high = _modality(dataset, stored)
        interest = value_of_interest(dataset, values, is_signed=low < 0)
    brightness = interest.brightness
    bits = _WINDOWED_BITS
    if brightness is None:
        brightness = (values - low) / (high - low)
        bits = bits_stored
    # PresentationLUTShape INVERSE means the same as MONOCHROME1 (PS3.3 C.8.11.3.1.2): inverted once, here.
    if inverted:
        brightness = 1 - brightness
    brightness[_padding(dataset, stored, signed=signed)] = 0
    dtype = np.uint8 if bits <= _BYTE_BITS else np.uint16
    return Grayscale((brightness * (2**bits - 1)).round().astype(dtype), bits, interest.warnings)


def _modality(dataset: Dataset, stored: Values) -> tuple[Values, float, float]:
    """Modality values, and the smallest and largest possible one. Source: PS3.3 C.11.1."""
    tables = items(dataset, "ModalityLUTSequence")
    if tables:
        values, largest = look_up(tables[0], stored, is_signed=bool(stored.min() < 0))
        return values, 0.0, largest
    slope = (*numbers(dataset, "RescaleSlope"), 1.0)[0]
    intercept = (*numbers(dataset, "RescaleIntercept"), 0.0)[0]
    values = stored * slope + intercept
    low, high = float(values.min()), float(values.max())
    if not 0 < high - low < np.inf:
        msg = "RescaleSlope and RescaleIntercept leave no range of values; export the film again"
        raise InvalidImageError(msg)
    return values, low, high


def _padding(dataset: Dataset, stored: Values, *, signed: bool) -> NDArray[np.bool_]:
    """Which stored values fill the film's frame and are not tissue. Source: PS3.3 C.7.5.1.1.2."""
    first = numbers(dataset, "PixelPaddingValue")[:1]
    if not first:
        return np.zeros(stored.shape, np.bool_)
    ends = [int(value) for value in (*first, *numbers(dataset, "PixelPaddingRangeLimit")[:1])]
    if signed:
        ends = [end - WORD - 1 if end >= SIGN else end for end in ends]
    return (stored >= min(ends)) & (stored <= max(ends))
