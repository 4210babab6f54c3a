"""The segments of a message about whose film it is and for which order: PID, PV1, ORC.

Source: HL7 v2.5.1, chapters 3 (PID, PV1) and 4 (ORC); names: data types XPN, XCN; identifiers: CX.
"""

from datetime import timedelta
from typing import Final

from service.results.hl7.encoding import REPETITION, components, segment
from service.results.messages.context import FilmContext, Identifier, Moment, NameGroup

_WRITINGS: Final = ("A", "I", "P")
"""Of XPN-8: alphabetic, ideographic, phonetic; the order of the groups of a name in DICOM."""
_NULL: Final = '""'
_UNSPECIFIED: Final = "^^^^^^U"
"""A name of type U, of table 0200."""


def patient(context: FilmContext) -> str:
    """PID; what is required and not known is null (an identifier) or unspecified (a name)."""
    given = context.patient_id
    names = [
        _name(group, writing) for group, writing in zip(context.name, _WRITINGS, strict=False) if group is not None
    ]
    birth = context.birth_date
    return segment(
        "PID",
        {
            1: "1",
            3: _NULL if given is None else components(given.value, "", "", _authority(given), "MR"),
            5: REPETITION.join(names) or _UNSPECIFIED,
            7: "" if birth is None else f"{birth:%Y%m%d}",
            8: context.sex or "U",
        },
    )


def visit(context: FilmContext) -> str:
    """PV1, where the header names who referred the patient: nothing else of it is known; else nothing."""
    referrer = context.referrer
    if referrer is None:
        return ""
    return segment("PV1", {1: "1", 2: "U", 8: _person(referrer)})


def order(context: FilmContext) -> str:
    """ORC: results follow of an order that its placer and its filler have numbered."""
    return segment("ORC", {1: "RE", 2: placer_number(context), 3: filler_number(context)})


def placer_number(context: FilmContext) -> str:
    """The order's number at who ordered."""
    return components(context.placer_order)


def filler_number(context: FilmContext) -> str:
    """The order's number at the department: of the order itself, else the accession number."""
    if context.filler_order:
        return components(context.filler_order)
    given = context.accession
    return "" if given is None else components(given.value, *_authority(given))


def accession_number(context: FilmContext) -> str:
    """The accession number alone, as OBR-18 has it (IHE Radiology, RAD-4)."""
    return "" if context.accession is None else components(context.accession.value)


def referrer(context: FilmContext) -> str:
    """Who ordered, as the header names them: without a number."""
    return "" if context.referrer is None else _person(context.referrer)


def moment(when: Moment | None) -> str:
    """A time as HL7 has it (data type TS); with the zone where the header states it."""
    if when is None:
        return ""
    day = f"{when.date:%Y%m%d}"
    if when.time is None:
        return day
    return f"{day}{when.time:%H%M%S}{offset(None if when.zone is None else when.zone.utcoffset(None))}"


def offset(zone: timedelta | None) -> str:
    """`+HHMM` or `-HHMM`; nothing where it is not known."""
    if zone is None:
        return ""
    minutes = int(zone.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def _authority(given: Identifier) -> tuple[str, str, str]:
    return given.namespace, given.universal_id, given.universal_id_type


def _name(group: NameGroup, writing: str) -> str:
    return components(group.family, group.given, group.middle, group.suffix, group.prefix, "", "L", writing)


def _person(group: NameGroup) -> str:
    return components("", group.family, group.given, group.middle, group.suffix, group.prefix)
