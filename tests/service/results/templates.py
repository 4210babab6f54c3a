"""Checks a report against the templates of DICOM PS3.16, by tables of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

Code = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """One row of a template: what a content item is, how often it may be there, and what it may hold."""

    relationship: str
    value_type: str
    concept: Code | None
    """None: any, as where a template leaves the concept to a parameter."""
    needed: bool = False
    once: bool = True
    values: tuple[Code, ...] = ()
    """Of a CODE; empty: any."""
    rows: tuple["Row", ...] | None = None
    """Of its own content items; None: it has none."""


def _code(relationship: str, value: str, scheme: str = "DCM", **more: Any) -> Row:
    return Row(relationship, "CODE", (value, scheme), **more)


def _text(relationship: str, value: str, **more: Any) -> Row:
    return Row(relationship, "TEXT", (value, "DCM"), **more)


_SCT, _MOD, _OBS, _HAS = "SCT", "HAS CONCEPT MOD", "HAS OBS CONTEXT", "CONTAINS"

TID_4019 = (  # Algorithm Identification
    _text(_MOD, "111001", needed=True),
    _text(_MOD, "111003", needed=True),
    _text(_MOD, "122405"),
    _text(_MOD, "111002", once=False),
    _code(_MOD, "111000"),
)
TID_1004 = (  # Device Observer Identifying Attributes
    Row(_OBS, "UIDREF", ("121012", "DCM"), needed=True),
    _text(_OBS, "121013"),
    _text(_OBS, "121014"),
    _text(_OBS, "121015"),
    _text(_OBS, "121016"),
)
TID_1600 = (  # Image Library, with 1601 and 1602
    Row(
        _HAS,
        "CONTAINER",
        ("126200", "DCM"),
        needed=True,
        once=False,
        rows=(
            Row(
                _HAS,
                "IMAGE",
                None,
                needed=True,
                once=False,
                rows=(
                    _code("HAS ACQ CONTEXT", "121139", needed=True),
                    Row("HAS ACQ CONTEXT", "NUM", ("110910", "DCM"), needed=True),
                    Row("HAS ACQ CONTEXT", "NUM", ("110911", "DCM"), needed=True),
                ),
            ),
        ),
    ),
)
TID_1501 = (  # Measurement and Qualitative Evaluation Group
    _text(_OBS, "112039"),
    Row(_OBS, "UIDREF", ("112040", "DCM")),
    _code(_HAS, "276214006", _SCT),
    _code(_HAS, "121071"),
    _code(_MOD, "370129005", _SCT),
    _code(_MOD, "363698007", _SCT, once=False),
    *TID_4019,
    Row(_HAS, "IMAGE", ("121200", "DCM")),
    Row(_HAS, "IMAGE", ("130401", "DCM"), once=False),
    Row(_HAS, "NUM", None, once=False),  # TID 300
    Row(_HAS, "IMAGE", ("121112", "DCM"), once=False),  # $ImagePurpose, of CID 7551
    Row(_HAS, "CODE", None, once=False),  # $QualType
    Row(_HAS, "TEXT", None, once=False),
)
TID_1500 = (  # Measurement Report
    _code(_MOD, "121049"),
    _code(_OBS, "121005", needed=True, values=(("121006", "DCM"), ("121007", "DCM"))),
    *TID_1004,
    _code(_MOD, "121058", once=False),
    Row(_HAS, "CONTAINER", ("111028", "DCM"), rows=TID_1600),
    Row(
        _HAS,
        "CONTAINER",
        ("126010", "DCM"),
        needed=True,
        rows=(
            *(Row(row.relationship, row.value_type, row.concept, once=row.once) for row in TID_4019),
            Row(_HAS, "CONTAINER", ("125007", "DCM"), once=False, rows=TID_1501),
        ),
    ),
    Row(
        _HAS,
        "CONTAINER",
        ("C0034375", "UMLS"),
        rows=(Row(_HAS, "CODE", None, once=False), Row(_HAS, "TEXT", None, once=False)),
    ),
)
ROOT_TITLES = ("126000", "126001", "126002", "126003")
"""CID 7021, Measurement Report Document Titles."""


def template_errors(report: Dataset) -> list[str]:
    """What breaks TID 1500 and what it includes; empty where nothing does."""
    errors = [] if _concept(report) in [(title, "DCM") for title in ROOT_TITLES] else ["the root has another title"]
    template = report.ContentTemplateSequence[0]
    if (template.TemplateIdentifier, template.MappingResource) != ("1500", "DCMR"):
        errors.append("the root names another template")
    return [*errors, *_errors(report, TID_1500, "root")]


def _errors(item: Dataset, rows: tuple[Row, ...], place: str) -> Iterator[str]:
    found: list[Row] = []
    for child in item.get("ContentSequence", ()):
        where = f"{place} > {_label(child)}"
        row = next((row for row in rows if _is(child, row)), None)
        if row is None:
            yield f"{where}: no row of the template"
            continue
        if row.once and row in found:
            yield f"{where}: more than once"
        found.append(row)
        if row.values and _value(child) not in row.values:
            yield f"{where}: {_value(child)} is not of its values"
        if row.rows is not None:
            yield from _errors(child, row.rows, where)
        elif child.get("ContentSequence"):
            yield f"{where}: has content of its own"
    yield from (f"{place}: {row.concept} is missing" for row in rows if row.needed and row not in found)


def _is(child: Dataset, row: Row) -> bool:
    is_kind = (child.RelationshipType, child.ValueType) == (row.relationship, row.value_type)
    return is_kind and row.concept in (None, _concept(child))


def _concept(item: Dataset) -> Code:
    name = item.ConceptNameCodeSequence[0]
    return str(name.get("CodeValue", "")), str(name.CodingSchemeDesignator)


def _value(item: Dataset) -> Code:
    value = item.ConceptCodeSequence[0]
    return str(value.get("CodeValue", "")), str(value.CodingSchemeDesignator)


def _label(item: Dataset) -> str:
    return f"{item.RelationshipType} {item.ValueType} {item.ConceptNameCodeSequence[0].CodeMeaning}"
