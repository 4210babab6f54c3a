"""Typed reading of DICOM attributes; what they state of a film: `imaging.dicom.header`.

A value has the type that the standard gives it, or the film is refused.
"""

import contextlib
import math

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from imaging.limits import parsing
from schemas.errors import InvalidImageError

_UNDEFINED_LENGTH = 0xFFFFFFFF
ASPECT_ATTRIBUTES = ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing")
# PS3.3 C.9.2: Overlay Rows or Overlay Data of any of the 16 planes.
OVERLAY_ROWS = 0x0010
OVERLAYS = tuple(Tag(0x6000 + 2 * plane, element) for plane in range(16) for element in (OVERLAY_ROWS, 0x3000))
_LARGEST_ASPECT = 10
"""A pixel that is longer than that is a mistake in the file, and would make a line of the film."""


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of a numeric attribute; none when it is absent or empty.

    Raises:
        InvalidImageError: a value is not a finite number.
    """
    try:
        with parsing(keyword):
            value = dataset.get(keyword)
            if value is None or value == "":
                return ()
            values = tuple(float(part) for part in (value if isinstance(value, (MultiValue, list)) else (value,)))
    except InvalidImageError as error:
        raise _not_finite(keyword) from error
    if not all(math.isfinite(part) for part in values):
        raise _not_finite(keyword)
    return values


def _not_finite(keyword: str) -> InvalidImageError:
    return InvalidImageError(
        f"{keyword} holds a value that is not a finite number with a decimal point; export the film again"
    )


def readable_numbers(dataset: Dataset, keyword: str) -> tuple[float | None, ...]:
    """All values of a decimal string, None in the place of each that is not a finite number; none when it is absent."""
    try:
        with parsing(keyword):
            value = dataset.get(keyword)
    except InvalidImageError:  # pydicom refuses all values for one; in the file they stand apart
        value = raw_bytes(dataset, keyword).decode("latin-1").split("\\")
    if value is None or value == "":
        return ()
    return tuple(_finite(part) for part in (value if isinstance(value, (MultiValue, list)) else (value,)))


def _finite(value: object) -> float | None:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        number = float(str(value).strip("\0 "))
        return number if math.isfinite(number) else None
    return None


def integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """The single value of a whole-number attribute.

    Raises:
        InvalidImageError: it is absent without a default, has several values, or a fraction.
    """
    values = numbers(dataset, keyword)
    if not values and default is not None:
        return default
    if len(values) != 1 or not values[0].is_integer():
        msg = f"{keyword} must hold one whole number and holds {len(values)} values; export the film again"
        raise InvalidImageError(msg)
    return int(values[0])


def text(dataset: Dataset, keyword: str) -> str:
    """The first value of a coded string in upper case; empty when it is absent."""
    with parsing(keyword):
        value = dataset.get(keyword)
        if isinstance(value, MultiValue):
            value = next(iter(value), None)
        return "" if value is None else str(value).strip().upper()


def pixel_aspect(dataset: Dataset) -> float:
    """Height of a pixel divided by its width; 1 where the film states nothing that can be read.

    Source: DICOM PS3.3 C.7.6.3.1.7 (PixelAspectRatio) and 10.7.1.3 (spacings): the vertical value comes first.
    """
    for keyword in ASPECT_ATTRIBUTES:
        values = readable_numbers(dataset, keyword)
        if len(values) == 2 and all(value is not None and value > 0 for value in values):  # noqa: PLR2004 a pair
            height, width = values
            assert height is not None  # noqa: S101 for mypy: looked at above
            assert width is not None  # noqa: S101 as above
            aspect = height / width
            return aspect if 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT else 1.0
    return 1.0


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none when it is absent or empty."""
    with parsing(keyword):
        return tuple(dataset.get(keyword) or ())


def raw_bytes(dataset: Dataset, keyword: str) -> bytes:
    """The bytes of an attribute as they stand in the file, in its byte order.

    Raises:
        InvalidImageError: it is absent, or encapsulated although the transfer syntax is not compressed.
    """
    return bytes(raw_view(dataset, keyword))


def raw_view(dataset: Dataset, keyword: str) -> memoryview:
    """The same without a copy of what is large; see `imaging.dicom.dataset.read_elements`."""
    value, length = _value(dataset, keyword)
    if value is None or length == _UNDEFINED_LENGTH:
        msg = f"{keyword} must hold uncompressed bytes; export the film again"
        raise InvalidImageError(msg)
    return memoryview(value)


def encapsulated_view(dataset: Dataset, keyword: str) -> memoryview:
    """The fragments of an attribute with their item tags, up to the delimiter. Source: PS3.5 A.4.

    Raises:
        InvalidImageError: it is absent, or not encapsulated although the transfer syntax is compressed.
    """
    value, length = _value(dataset, keyword)
    if value is None or length != _UNDEFINED_LENGTH:
        msg = f"{keyword} must hold encapsulated fragments in a compressed transfer syntax; export the film again"
        raise InvalidImageError(msg)
    return memoryview(value)


def _value(dataset: Dataset, keyword: str) -> tuple[bytes | memoryview | None, int]:
    with parsing(keyword):
        element = dataset.get_item(keyword) if keyword in dataset else None
        value = getattr(element, "value", None)
        return value if isinstance(value, (bytes, memoryview)) else None, getattr(element, "length", _UNDEFINED_LENGTH)
