"""How long the value of an element may be, checked before it is converted: two million values in 4 MB cost 880 MB."""

from collections.abc import Mapping
from typing import Any, Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.hooks import hooks, raw_element_value
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

from schemas.errors import InvalidImageError

_SPLIT: Final = 16 * 1024
"""Text that is split into values, each an object of its own; PS3.5 6.2 gives most of them 64 characters."""
_NUMBERS: Final = 256 * 1024
"""Twice a lookup table of 65,536 entries."""
_ITEMS: Final = 2 * 1024 * 1024
"""A sequence of lookup tables; its smallest elements have 8 bytes."""

LONGEST: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        (VR.AE, VR.AS, VR.CS, VR.DA, VR.DS, VR.DT, VR.IS, VR.LO, VR.PN, VR.SH, VR.TM, VR.UC, VR.UI), _SPLIT
    ),
    **dict.fromkeys((VR.AT, VR.FD, VR.FL, VR.SL, VR.SS, VR.SV, VR.UL, VR.US, VR.UV), _NUMBERS),
    VR.SQ: _ITEMS,
}
"""In bytes, by VR; the others are one value each, and are not split."""


def check_length(tag: BaseTag, vr: str | None, length: int) -> None:
    """Refuse a value that is longer than any film's.

    Args:
        tag: of the element.
        vr: as the file states it; None in implicit VR. What the dictionary says about a known tag goes first: a file
            may state anything.
        length: of the value in bytes.

    Raises:
        InvalidImageError: it is over the limit of its VR.
    """
    if length <= _SPLIT:
        return
    known = dictionary_VR(tag) if dictionary_has_tag(tag) else None
    limit = LONGEST.get(known or "", LONGEST.get(vr or ""))
    if limit is not None and length > limit:
        name = keyword_for_tag(tag) or "a private element"
        msg = (
            f"{name} ({tag.group:04X},{tag.elem:04X}) holds {length} bytes, and at most {limit} are read; "
            "export the film again"
        )
        raise InvalidImageError(msg)


def install_length_check() -> None:
    """Check the length of every value that pydicom converts, those in sequences too; for the whole process."""
    hooks.register_callback("raw_element_value", _checked_value)


def _checked_value(raw: RawDataElement, data: dict[str, Any], **more: Any) -> None:
    if raw.value is not None:
        check_length(raw.tag, data["VR"], len(raw.value))
    raw_element_value(raw, data, **more)
