"""What a result states of the film as a picture: how it lies, which part it shows, and that it has lost information."""

import re
from typing import Final

import pydicom.config
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

from imaging.dicom.attributes import items, text
from imaging.dicom.header import facts
from imaging.limits import parsing
from imaging.radiograph import Turn
from schemas.errors import InvalidImageError

CHEST: Final = "CHEST"
CHEST_REGIONS: Final = ("51185008", "43799004", "39607008", "T-D3000", "T-D3200", "T-28000")
"""Thorax, what lies in it, and the lungs, in SNOMED CT and RT: regions that no validator takes for paired."""
LATERALITIES: Final = ("R", "L")
_DIRECTION: Final = re.compile(r"[APRLHF]{1,3}")
_CODE: Final = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
_LOSSY_SYNTAXES: Final = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")  # JPEG baseline and extended
_LOSSY: Final = ("LossyImageCompressionRatio", "LossyImageCompressionMethod")


def patient_orientation(source: Dataset) -> list[str]:
    """The directions of rows and columns as the film states them; none where it states none that can be read.

    Source: DICOM PS3.3 C.7.6.1.1.1.
    """
    directions = [value.upper() for value in _values(source, "PatientOrientation")]
    if len(directions) != 2 or not all(map(_DIRECTION.fullmatch, directions)):  # noqa: PLR2004 a pair
        return []
    return directions


def turn_of(source: Dataset) -> Turn:
    """What puts the film upright, as the network saw it; nothing where its orientation is not stated."""
    return facts.hanging(source).turn


def state_body_part(result: Dataset, source: Dataset) -> None:
    """Pass on which part of the body a film shows, and of another part than the chest the side.

    A chest is unpaired: its Laterality, which PS3.3 C.7.3.1 wants of paired structures alone, is left out. Of a part
    that is neither called CHEST, the defined term of PS3.16 annex L, nor coded as one, it is the film's, or empty.
    """
    part = "".join(_values(source, "BodyPartExamined")[:1]).upper()
    if part and _is_valid("BodyPartExamined", part):
        result.BodyPartExamined = part
    regions = result.get("AnatomicRegionSequence", ())
    if part != CHEST and not any(region.CodeValue in CHEST_REGIONS for region in regions):
        side = text(source, "Laterality")
        result.Laterality = side if side in LATERALITIES else None


def state_region(picture: Dataset, source: Dataset) -> None:
    """Pass on the coded region of the body; source: PS3.3 10.5, General Anatomy Optional Macro."""
    regions = [_coded(item) for item in _items(source, "AnatomicRegionSequence")]
    if len(regions) == 1 and regions[0] is not None:
        picture.AnatomicRegionSequence = regions


def state_lossy_compression(picture: Dataset, source: Dataset) -> None:
    """What is lost stays lost: PS3.3 C.7.6.1.1.5. Without a statement and a lossy file, nothing is known to be lost."""
    syntax = str(getattr(source, "file_meta", Dataset()).get("TransferSyntaxUID", ""))
    if text(source, "LossyImageCompression") != "01" and syntax not in _LOSSY_SYNTAXES:
        picture.LossyImageCompression = "00"
        return
    picture.LossyImageCompression = "01"
    kept = {keyword: _values(source, keyword) for keyword in _LOSSY}
    # One value of both for each time that it was compressed.
    if len({len(values) for values in kept.values()}) == 1 and all(
        _is_valid(keyword, value) for keyword, values in kept.items() for value in values
    ):
        for keyword, values in kept.items():
            if values:
                setattr(picture, keyword, values)


def _coded(item: Dataset) -> Dataset | None:
    """A code as the film states it; None where a part is missing or breaks a rule."""
    code = Dataset()
    for keyword in _CODE:
        value = "\\".join(_values(item, keyword))
        if value and _is_valid(keyword, value):
            setattr(code, keyword, value)
    complete = all(keyword in code for keyword in _CODE if keyword != "CodingSchemeVersion")
    return code if complete else None


def _values(source: Dataset, keyword: str) -> list[str]:
    try:
        with parsing(keyword):
            value = source.get(keyword)
            values = value if isinstance(value, (MultiValue, list)) else () if value is None else (value,)
            return [str(part).strip("\0 ") for part in values if str(part).strip("\0 ")]
    except InvalidImageError:
        return []


def _items(source: Dataset, keyword: str) -> tuple[Dataset, ...]:
    try:
        return items(source, keyword)
    except InvalidImageError:
        return ()


def _is_valid(keyword: str, value: str) -> bool:
    try:
        validate_value(dictionary_VR(keyword), value, pydicom.config.RAISE)
    except ValueError:
        return False
    return True
