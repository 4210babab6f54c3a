"""The data types of FHIR that the resources are made of.

Source: HL7 FHIR 4.0.1 and 5.0.0, Data Types; the parts that are used are the same in both.
"""

from collections.abc import Iterable
from typing import Any, Final

from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from service.results import codes as terms
from service.results.messages.context import Identifier, Moment

Resource = dict[str, Any]

UID_SYSTEM: Final = "urn:dicom:uid"
URI_SYSTEM: Final = "urn:ietf:rfc:3986"
LOINC: Final = "http://loinc.org"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def coding(system: str, code: str, display: str) -> Resource:
    """One code."""
    return {"system": system, "code": code, "display": display}


def concept(*codes: Code | None) -> Resource:
    """One meaning, in every scheme that has it."""
    known = (code for code in codes if code is not None)
    return {"coding": [coding(terms.SYSTEMS[code.scheme_designator], code.value, code.meaning) for code in known]}


def quantity(value: float) -> Resource:
    """A number without a unit."""
    return {"value": round(value, 6), "unit": "1", "system": terms.SYSTEMS["UCUM"], "code": "1"}


def uid_identifier(uid: str) -> Resource:
    """Source: FHIR ImagingStudy.identifier, a DICOM UID as `urn:oid` in the system `urn:dicom:uid`."""
    return {"system": UID_SYSTEM, "value": f"urn:oid:{uid}"}


def identifier(kind: str, display: str, given: Identifier, system: str | None = None) -> Resource:
    """An identifier of a person or an order.

    Args:
        kind: of HL7's table 0203.
        display: of that kind.
        given: the identifier, and who gave it.
        system: who gave it where the header does not say it for everybody.
    """
    whose = _universal(given) or system
    return {
        "type": {"coding": [coding(f"{TERMINOLOGY}/v2-0203", kind, display)]},
        **({"system": whose} if whose else {}),
        "value": given.value,
        **({"assigner": {"display": given.namespace}} if given.namespace else {}),
    }


def _universal(given: Identifier) -> str | None:
    """The issuer as a URI; None: the header has none that is one. Source: HL7 table 0301."""
    prefix = {"ISO": "urn:oid:", "UUID": "urn:uuid:", "URI": ""}.get(given.universal_id_type)
    return None if prefix is None or not given.universal_id else prefix + given.universal_id


def absent(reason: str) -> Resource:
    """An element that is required, and has no value. Source: FHIR extension data-absent-reason."""
    return {"extension": [{"url": _ABSENT, "valueCode": reason}]}


def instant(record: AnalysisRecord) -> str:
    """When the film was analysed."""
    return record.analysed_at.isoformat(timespec="milliseconds")


def date_time(moment: Moment) -> str:
    """To the day where the zone is not known: FHIR has no time without a zone (data type dateTime)."""
    if moment.time is None or moment.zone is None:
        return moment.date.isoformat()
    whole = f"{moment.date.isoformat()}T{moment.time.replace(microsecond=0).isoformat()}"
    offset = moment.zone.utcoffset(None)
    minutes = int(offset.total_seconds() // 60)
    return f"{whole}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def without_empty(resource: Resource) -> Resource:
    """FHIR has no empty elements (json.html)."""
    return {name: value for name, value in resource.items() if value is not None and value not in ("", [], {})}


def references(addresses: Iterable[str]) -> list[Resource]:
    """References to resources of the same bundle."""
    return [{"reference": address} for address in addresses]
