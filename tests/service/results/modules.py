"""Checks an object against the tables of DICOM PS3.3 that highdicom carries: what belongs where, and its type."""

import importlib.resources
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pydicom.dataset import Dataset

Path = tuple[str, ...]

_NESTED = "ContentSequence"
"""Content items: the tables hold them once, and PS3.3 C.17.3 lets them nest at will."""

OF_VALUE_TYPES = {
    "ConceptCodeSequence": ("CODE",),
    "ContinuityOfContent": ("CONTAINER",),
    "GraphicData": ("SCOORD", "SCOORD3D"),
    "GraphicType": ("SCOORD", "SCOORD3D"),
    "MeasuredValueSequence": ("NUM",),
    "ReferencedFrameOfReferenceUID": ("SCOORD3D",),
    "ReferencedSOPSequence": ("IMAGE", "COMPOSITE", "WAVEFORM"),
    "TabulatedValuesSequence": ("TABLE",),
    "TemporalRangeType": ("TCOORD",),
    "TextValue": ("TEXT",),
    "UID": ("UIDREF",),
}
"""Which content items have an attribute: the macros of PS3.3 C.18, all of which the tables list for every item."""

ENUMERATED: dict[str, tuple[object, ...]] = {
    "AnchorPointVisibility": ("Y", "N"),
    "BoundingBoxAnnotationUnits": ("PIXEL", "DISPLAY", "MATRIX"),
    "BoundingBoxTextHorizontalJustification": ("LEFT", "RIGHT", "CENTER"),
    "BurnedInAnnotation": ("YES", "NO"),
    "CompletionFlag": ("PARTIAL", "COMPLETE"),
    "ContinuityOfContent": ("SEPARATE", "CONTINUOUS"),
    "ConversionType": ("DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"),
    "GraphicAnnotationUnits": ("PIXEL", "DISPLAY", "MATRIX"),
    "GraphicFilled": ("Y", "N"),
    "GraphicType": ("POINT", "POLYLINE", "INTERPOLATED", "CIRCLE", "ELLIPSE"),
    "ImageHorizontalFlip": ("Y", "N"),
    "ImageRotation": (0, 90, 180, 270),
    "Laterality": ("R", "L"),
    "LossyImageCompression": ("00", "01"),
    "PatientSex": ("M", "F", "O"),
    "PreliminaryFlag": ("PRELIMINARY", "FINAL"),
    "PresentationLUTShape": ("IDENTITY", "INVERSE"),
    "PresentationSizeMode": ("SCALE TO FIT", "TRUE SIZE", "MAGNIFY"),
    "RelationshipType": (
        *("CONTAINS", "HAS PROPERTIES", "HAS OBS CONTEXT", "HAS ACQ CONTEXT", "INFERRED FROM", "SELECTED FROM"),
        "HAS CONCEPT MOD",
    ),
    "VOILUTFunction": ("LINEAR", "LINEAR_EXACT", "SIGMOID"),
    "ValueType": (
        *("TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME", "COMPOSITE", "IMAGE", "WAVEFORM"),
        *("SCOORD", "SCOORD3D", "TCOORD", "CONTAINER", "TABLE"),
    ),
    "VerificationFlag": ("UNVERIFIED", "VERIFIED"),
}
"""Enumerated values of PS3.3, and defined terms that leave nothing else to us."""


def standard_table(name: str) -> Any:
    """One of the tables that highdicom reads from the standard."""
    return json.loads((importlib.resources.files("highdicom") / "_standard" / f"{name}.json").read_text())


@lru_cache(maxsize=8)
def requirements(sop_class: str) -> tuple[dict[Path, str], frozenset[Path]]:
    """Of an IOD, by path: the type of each attribute in the mandatory modules, and all attributes that may be there."""
    modules = standard_table("iod_module_map")[standard_table("sop_class_iod_map")[sop_class]]
    attributes = standard_table("module_attribute_map")
    types: dict[Path, str] = {}
    known: set[Path] = set()
    for module in modules:
        for attribute in attributes[module["key"]]:
            path = (*attribute["path"], attribute["keyword"])
            known.add(path)
            if module["usage"] == "M":
                types[path] = min(attribute["type"], types.get(path, "3"))
    return types, frozenset(known)


def module_errors(result: Dataset) -> list[str]:
    """What breaks the tables; empty where nothing does."""
    types, known = requirements(str(result.SOPClassUID))
    return list(_errors(result, (), types, known))


def _errors(item: Dataset, path: Path, types: dict[Path, str], known: frozenset[Path]) -> Iterator[str]:
    for required, kind in types.items():
        if required[:-1] == path and kind in ("1", "2") and _applies(item, required[-1]):
            yield from _missing(item, required, kind)
    for element in item:
        place = path if element.keyword == _NESTED and path[-1:] == (_NESTED,) else (*path, element.keyword)
        if element.tag.is_private:
            yield f"{element.tag} is private"
        elif place not in known:
            yield f"{'.'.join(place)} does not belong there"
        elif element.VR == "SQ":
            for nested in element.value:
                yield from _errors(nested, place, types, known)
        elif element.value not in ("", None) and element.value not in ENUMERATED.get(element.keyword, (element.value,)):
            yield f"{'.'.join(place)} is {element.value}"


def _applies(item: Dataset, keyword: str) -> bool:
    value_type = item.get("ValueType")
    return value_type is None or value_type in OF_VALUE_TYPES.get(keyword, (value_type,))


def _missing(item: Dataset, required: Path, kind: str) -> Iterator[str]:
    value = item.get(required[-1])
    if required[-1] not in item:
        yield f"{'.'.join(required)} of type {kind} is missing"
    elif kind == "1" and (value is None or value in ("", [])):
        yield f"{'.'.join(required)} of type 1 is empty"
