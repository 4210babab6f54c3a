"""The DICOM grayscale pipeline as one table: every value that can be stored, and how bright it is.

Stored value → modality (PS3.3 C.11.1) → value of interest (C.11.2) → polarity (C.7.6.3.1.2). Computed over the
at most 65,536 storable values in float64, and not over the film's pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from imaging.dicom.attributes import items, numbers, raw_bytes, text
from schemas.errors import InvalidImageError

Values = NDArray[np.float64]  # [2**BitsStored]

_WINDOWED_BITS = 16
_ENTRIES_WHEN_ZERO = 65536  # PS3.3 C.11.1.1: a first descriptor value of 0 means 2**16 entries
_ENTRY_BITS = range(8, 17)  # PS3.3 C.11.1.1, C.8.11.3.1.5
_DESCRIPTOR_VALUES = 3  # entries, first value mapped, bits
_BYTE_BITS = 8
_WORD = 0xFFFF
_SIGN = 0x8000


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
        A windowed film uses 16 bits, so that the window costs no depth. A film without a window keeps its
        stored values over the whole storable range: without a VOI LUT that stage is the identity (PS3.4
        N.2.1.3, PS3.3 C.11.2.1.2.1 note 4). A stretch to the range of the film is not part of the standard
        and depends on single pixels; `PreprocessSpec.intensity` offers one that is robust and recorded.

    Raises:
        InvalidImageError: an attribute is outside what the standard allows.
    """
    patterns = 2**bits_stored
    stored = np.arange(patterns, dtype=np.float64)
    if signed:
        stored[patterns // 2 :] -= patterns
    with np.errstate(over="ignore"):  # an absurd slope or window is refused or saturates
        values, low, high = _modality(dataset, stored)
        brightness, warnings = _value_of_interest(dataset, values, is_signed=low < 0)
    bits = _WINDOWED_BITS
    if brightness is None:
        brightness = (values - low) / (high - low)
        bits = bits_stored
    # PresentationLUTShape INVERSE means the same as MONOCHROME1 (PS3.3 C.8.11.3.1.2): inverted once, here.
    if inverted:
        brightness = 1 - brightness
    brightness[_padding(dataset, stored, signed=signed)] = 0
    dtype = np.uint8 if bits <= _BYTE_BITS else np.uint16
    return Grayscale((brightness * (2**bits - 1)).round().astype(dtype), bits, warnings)


def _modality(dataset: Dataset, stored: Values) -> tuple[Values, float, float]:
    """Modality values, and the smallest and largest possible one. Source: PS3.3 C.11.1."""
    tables = items(dataset, "ModalityLUTSequence")
    if tables:
        values, largest = _look_up(tables[0], stored, is_signed=bool(stored.min() < 0))
        return values, 0.0, largest
    slope = (*numbers(dataset, "RescaleSlope"), 1.0)[0]
    intercept = (*numbers(dataset, "RescaleIntercept"), 0.0)[0]
    values = stored * slope + intercept
    low, high = float(values.min()), float(values.max())
    if not 0 < high - low < np.inf:
        msg = "RescaleSlope and RescaleIntercept leave no range of values; export the film again"
        raise InvalidImageError(msg)
    return values, low, high


def _value_of_interest(dataset: Dataset, values: Values, *, is_signed: bool) -> tuple[Values | None, tuple[str, ...]]:
    """Brightness in [0, 1] by the first table or window, None where the film has neither. Source: PS3.3 C.11.2.

    A table goes before a window: where a vendor writes both, the window is the straight line that
    approximates the table.
    """
    tables = items(dataset, "VOILUTSequence")
    centers = numbers(dataset, "WindowCenter")
    widths = numbers(dataset, "WindowWidth")
    windows = list(zip(centers, widths, strict=False))
    warnings = ("multiple_windows",) if len(tables) + len(windows) > 1 else ()
    if tables:
        brightness, largest = _look_up(tables[0], values, is_signed=is_signed)
        return brightness / largest, warnings
    if windows:
        return _window(values, *windows[0], text(dataset, "VOILUTFunction") or "LINEAR"), warnings
    return None, warnings


def _window(values: Values, center: float, width: float, function: str) -> Values:
    """Brightness in [0, 1].

    Source: PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).
    """
    if function == "LINEAR" and width == 1:
        return (values > center - 0.5).astype(np.float64)
    if function == "LINEAR" and width > 1:
        return ((values - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1)
    if function == "LINEAR_EXACT" and width > 0:
        return ((values - center) / width + 0.5).clip(0, 1)
    if function == "SIGMOID" and width > 0:
        # 1 / (1 + exp(-4 (x - c) / w)), in the form that cannot overflow
        return 0.5 * (1 + np.tanh(2 * (values - center) / width))
    msg = (
        "the window cannot be applied: VOILUTFunction LINEAR needs a WindowWidth of at least 1, LINEAR_EXACT and "
        "SIGMOID for more than 0, and there is no other; export the film again"
    )
    raise InvalidImageError(msg)


def _look_up(item: Dataset, values: Values, *, is_signed: bool) -> tuple[Values, float]:
    """Values through a lookup table, and the largest value that it may hold. Source: PS3.3 C.11.1.1, C.11.2.1.1."""
    descriptor = numbers(item, "LUTDescriptor")
    if len(descriptor) != _DESCRIPTOR_VALUES:
        msg = f"LUTDescriptor has {len(descriptor)} values instead of {_DESCRIPTOR_VALUES}; export the film again"
        raise InvalidImageError(msg)
    # The three may arrive as signed or unsigned words, whatever they mean: PS3.3 C.11.1.1 ties that to the pixels.
    entries, first, bits = (int(value) & _WORD for value in descriptor)
    entries = entries or _ENTRIES_WHEN_ZERO
    if is_signed and first & _SIGN:
        first -= _WORD + 1
    if bits not in _ENTRY_BITS:
        msg = "a LUTDescriptor states entries of fewer than 8 or more than 16 bits; export the film again"
        raise InvalidImageError(msg)
    table = _entries(item, entries, bits)
    return table[np.clip(np.rint(values) - first, 0, entries - 1).astype(np.intp)], float(2**bits - 1)


def _entries(item: Dataset, entries: int, bits: int) -> Values:
    data = raw_bytes(item, "LUTData")
    # Entries of 8 bits stand one or two to a word, and only the length shows which: PS3.3 C.11.1.1 note.
    is_packed = bits == _BYTE_BITS and len(data) < 2 * entries
    word = np.dtype(np.uint8) if is_packed else np.dtype("<u2" if item.original_encoding[1] else ">u2")
    if len(data) < entries * word.itemsize:
        msg = "LUTData has fewer entries than its LUTDescriptor states; export the film again"
        raise InvalidImageError(msg)
    table = np.frombuffer(data, word, entries).astype(np.float64)
    if table.max() > 2**bits - 1:
        msg = "LUTData holds entries above the bits that its LUTDescriptor states; export the film again"
        raise InvalidImageError(msg)
    return table


def _padding(dataset: Dataset, stored: Values, *, signed: bool) -> NDArray[np.bool_]:
    """Which stored values fill the film's frame and are not tissue. Source: PS3.3 C.7.5.1.1.2."""
    first = numbers(dataset, "PixelPaddingValue")[:1]
    if not first:
        return np.zeros(stored.shape, np.bool_)
    ends = [int(value) for value in (*first, *numbers(dataset, "PixelPaddingRangeLimit")[:1])]
    if signed:
        ends = [end - _WORD - 1 if end >= _SIGN else end for end in ends]
    return (stored >= min(ends)) & (stored <= max(ends))
