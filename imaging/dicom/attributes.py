"""Typed reading of DICOM attributes, and what they state of a film.

A value has the type that the standard gives it, or the film is refused.
"""

import contextlib
import math
import re

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from imaging.dicom.transfer_syntaxes import TransferSyntax
from imaging.limits import parsing
from imaging.radiograph import HeaderFacts
from schemas.errors import InvalidImageError

_UNDEFINED_LENGTH = 0xFFFFFFFF
ASPECT_ATTRIBUTES = ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing")
# PS3.16 annex L, and what vendors write around it (PORT CHEST, THORAX AP).
_CHEST_WORDS = ("CHEST", "THORA", "LUNG")
_POLARITY_BY_SHAPE = {"IDENTITY": "MONOCHROME2", "INVERSE": "MONOCHROME1"}  # PS3.3 C.8.11.3.1.2
# PS3.3 C.9.2: Overlay Rows or Overlay Data of any of the 16 planes.
OVERLAY_ROWS = 0x0010
OVERLAYS = tuple(Tag(0x6000 + 2 * plane, element) for plane in range(16) for element in (OVERLAY_ROWS, 0x3000))
# PS3.3 C.8.1.1 and C.8.11.1.1.2: left and right lateral, and oblique; the last three are met in practice.
_NOT_FRONTAL = ("LL", "RL", "LLO", "RLO", "LAT", "LATERAL", "OBLIQUE")
_FRONTAL = ("AP", "PA")
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}  # PS3.5 6.2, VR AS: 018M is 18 months
_OLDEST_YEARS = 130
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


def age_years(age: str) -> float | None:
    """The years of an Age String, e.g. 030Y, 018M, 012W or 005D; None where it is none, or of no living person.

    Source: DICOM PS3.5 6.2, VR AS.
    """
    matched = re.fullmatch(r"([0-9]{1,3})([YMWD])", age)
    if matched is None:
        return None
    years = int(matched[1]) * _YEARS[matched[2]]
    return years if years <= _OLDEST_YEARS else None


def header_facts(dataset: Dataset) -> HeaderFacts:
    """The age and the view that a film's header states."""
    return HeaderFacts(age_years(_stated_age(dataset)), _is_frontal(dataset))


def attribute_warnings(dataset: Dataset, syntax: TransferSyntax) -> tuple[str, ...]:
    """What the attributes say against a frontal chest film, and against one another.

    Args:
        dataset: of the film.
        syntax: the transfer syntax that its file states.
    """
    body_part = text(dataset, "BodyPartExamined")
    photometric = text(dataset, "PhotometricInterpretation")
    conditions = {
        "burned_in_annotation": text(dataset, "BurnedInAnnotation") == "YES",
        "not_frontal": _is_frontal(dataset) is False,
        "body_part_mismatch": bool(body_part) and not any(word in body_part for word in _CHEST_WORDS),
        "overlay": any(tag in dataset for tag in OVERLAYS),
        "polarity_contradiction": _POLARITY_BY_SHAPE.get(text(dataset, "PresentationLUTShape"), photometric)
        != photometric,
        "transfer_syntax_contradiction": dataset.original_encoding[0] != syntax.implicit_vr,
        "age_unreadable": bool(_stated_age(dataset)) and age_years(_stated_age(dataset)) is None,
        "frame_count_zero": integer(dataset, "NumberOfFrames", default=1) == 0,
        "for_processing": text(dataset, "PresentationIntentType") == "FOR PROCESSING",
    }
    return tuple(name for name, is_true in conditions.items() if is_true)


def _stated_age(dataset: Dataset) -> str:
    """PatientAge as it stands in the file; empty when it is absent."""
    try:
        with parsing("PatientAge"):
            value = dataset.get("PatientAge")
    except InvalidImageError:  # an odd age, which is no reason to refuse a film
        return "?"
    return "" if value is None else str(value).strip("\0 ").upper()  # several values make a text that is not an age


def _is_frontal(dataset: Dataset) -> bool | None:
    """Whether ViewPosition is a frontal view; None where it states none that is known."""
    view = text(dataset, "ViewPosition")
    return None if view not in (*_FRONTAL, *_NOT_FRONTAL) else view in _FRONTAL


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
    value, length = _value(dataset, keyword)
    if value is None or length == _UNDEFINED_LENGTH:
        msg = f"{keyword} must hold uncompressed bytes; export the film again"
        raise InvalidImageError(msg)
    return value


def encapsulated_bytes(dataset: Dataset, keyword: str) -> bytes:
    """The fragments of an attribute with their item tags, up to the delimiter. Source: PS3.5 A.4.

    Raises:
        InvalidImageError: it is absent, or not encapsulated although the transfer syntax is compressed.
    """
    value, length = _value(dataset, keyword)
    if value is None or length != _UNDEFINED_LENGTH:
        msg = f"{keyword} must hold encapsulated fragments in a compressed transfer syntax; export the film again"
        raise InvalidImageError(msg)
    return value


def _value(dataset: Dataset, keyword: str) -> tuple[bytes | None, int]:
    with parsing(keyword):
        element = dataset.get_item(keyword) if keyword in dataset else None
        value = getattr(element, "value", None)
        return value if isinstance(value, bytes) else None, getattr(element, "length", _UNDEFINED_LENGTH)
