"""The tables of PS3.3 that highdicom carries, in the form in which dicom-validator reads the standard."""

from typing import Any

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_dict, tag_for_keyword

from tests.service.results.modules import ENUMERATED, OF_VALUE_TYPES, standard_table

Attributes = dict[str, dict[str, Any]]


def dicom_tables(sop_classes: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The dictionary, IODs and modules of dicom-validator for these SOP classes.

    Conditions of attributes are not in the tables: an attribute of type 1C may be there or not.
    """
    classes = standard_table("sop_class_iod_map")
    iods = standard_table("iod_module_map")
    needed = {uid: iods[classes[uid]] for uid in sop_classes}
    names = {module["key"] for modules in needed.values() for module in modules}
    attributes = standard_table("module_attribute_map")
    described = {
        uid: {
            "title": classes[uid],
            "group_macros": {},
            "modules": {each["key"]: {"ref": each["key"], "use": each["usage"]} for each in modules},
        }
        for uid, modules in needed.items()
    }
    return _dictionary(), described, {name: _nested(attributes[name], ()) for name in names}


def _dictionary() -> dict[str, Any]:
    return {
        _id(keyword): {"name": keyword, "vr": dictionary_VR(tag), "vm": dictionary_VM(tag), "prop": ""}
        for keyword, tag in keyword_dict.items()
    }


def _nested(rows: list[dict[str, Any]], path: tuple[str, ...]) -> Attributes:
    """The attributes below a path; content items hold content items as at the root."""
    attributes: Attributes = {}
    for row in rows:
        keyword = row["keyword"]
        if tuple(row["path"]) != path or tag_for_keyword(keyword) is None:
            continue
        attribute: dict[str, Any] = {"name": keyword, "type": row["type"]}
        if path in ((), ("ContentSequence",)) and row["type"] in ("1", "2") and keyword in OF_VALUE_TYPES:
            attribute["type"] += "C"
            attribute["cond"] = _only_of(OF_VALUE_TYPES[keyword])
        if keyword in ENUMERATED:
            attribute["enums"] = [{"val": list(ENUMERATED[keyword])}]
        if any(tuple(each["path"][: len(path) + 1]) == (*path, keyword) for each in rows):
            attribute["items"] = _nested(rows, (*path, keyword))
        attributes[_id(keyword)] = attribute
    if path == ("ContentSequence",):
        attributes[_id("ContentSequence")] = {"name": "ContentSequence", "type": "3", "items": attributes}
    return attributes


def _only_of(value_types: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "MN", "tag": "(0040,A040)", "index": 0, "op": "=", "values": list(value_types)}


def _id(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
