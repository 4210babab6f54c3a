"""Lookup tables of the grayscale pipeline: what their items hold, and values through them.

Source: DICOM PS3.3 C.11.1.1 (Modality LUT), C.11.2.1.1 (VOI LUT).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from imaging.dicom.attributes import numbers, raw_bytes
from schemas.errors import InvalidImageError

Values = NDArray[np.float64]

WORD = 0xFFFF
SIGN = 0x8000
_ENTRIES_WHEN_ZERO = 65536  # PS3.3 C.11.1.1: a first descriptor value of 0 means 2**16 entries
_ENTRY_BITS = range(8, 17)  # PS3.3 C.11.1.1, C.8.11.3.1.5
_DESCRIPTOR_VALUES = 3  # entries, first value mapped, bits
_BYTE_BITS = 8


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Values that have been through a table."""

    values: Values
    full_scale: float
    """The entry that stands for white."""
    warnings: tuple[str, ...]


def is_empty(item: Dataset) -> bool:
    """Whether an item holds no table at all: neither a descriptor nor entries."""
    held = (item.get_item(keyword) for keyword in ("LUTDescriptor", "LUTData") if keyword in item)
    return not any(getattr(element, "value", None) for element in held)


def is_complete(item: Dataset) -> bool:
    """Whether an item has a descriptor and as many entries as it states; whether they fit their bits is not asked."""
    try:
        descriptor = numbers(item, "LUTDescriptor")
    except InvalidImageError:
        return False
    if len(descriptor) != _DESCRIPTOR_VALUES or int(descriptor[2]) & WORD not in _ENTRY_BITS:
        return False
    data = item.get("LUTData") or b""
    entries = int(descriptor[0]) & WORD or _ENTRIES_WHEN_ZERO
    if isinstance(data, bytes) and int(descriptor[2]) > _BYTE_BITS:
        return len(data) >= 2 * entries
    return len(data) >= entries


def look_up(item: Dataset, values: Values, *, is_signed: bool) -> LookedUp:
    """Values through a lookup table.

    Writers are known that state 16 bits and fill 12, which would show a film nearly black. Where no entry uses the
    highest stated bit, the largest entry is full scale, with the warning `lut_rescaled`.

    Args:
        item: holds LUTDescriptor and LUTData.
        values: what is looked up; values beyond the ends of the table take its first or last entry.
        is_signed: whether the first value mapped is a signed word.

    Raises:
        InvalidImageError: the table contradicts its descriptor.
    """
    descriptor = numbers(item, "LUTDescriptor")
    if len(descriptor) != _DESCRIPTOR_VALUES:
        msg = f"LUTDescriptor has {len(descriptor)} values instead of {_DESCRIPTOR_VALUES}; export the film again"
        raise InvalidImageError(msg)
    # The three may arrive as signed or unsigned words, whatever they mean: PS3.3 C.11.1.1 ties that to the pixels.
    entries, first, bits = (int(value) & WORD for value in descriptor)
    entries = entries or _ENTRIES_WHEN_ZERO
    if is_signed and first & SIGN:
        first -= WORD + 1
    if bits not in _ENTRY_BITS:
        msg = "a LUTDescriptor states entries of fewer than 8 or more than 16 bits; export the film again"
        raise InvalidImageError(msg)
    table = _entries(item, entries, bits)
    largest = float(table.max())
    is_rescaled = 0 < largest < 2 ** (bits - 1)
    return LookedUp(
        values=table[np.clip(np.rint(values) - first, 0, entries - 1).astype(np.intp)],
        full_scale=largest if is_rescaled else float(2**bits - 1),
        warnings=("lut_rescaled",) if is_rescaled else (),
    )


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
