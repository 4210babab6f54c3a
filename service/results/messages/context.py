"""What a film's header states of its patient, its order and its time: for messages that name them.

The record that is kept of a film has none of it. Only who holds the header can write it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from pydicom.dataset import Dataset

from imaging.limits import parsing
from schemas.errors import InvalidImageError
from service.results.source import passed_on

_TIMES: Final = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"), ("StudyDate", "StudyTime"))
"""Of the exposure, or as near to it as the header comes."""
_SCHEMES: Final = {"LN": "LN", "LOINC": "LN"}
"""What DICOM and HL7 v2 call LOINC."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name that somebody gave."""

    value: str
    namespace: str = ""
    """Who gave it, in their own words."""
    universal_id: str = ""
    """Who gave it, for everybody."""
    universal_id_type: str = ""
    """ISO (an OID), UUID, URI, DNS or another of HL7's table 0301."""


@dataclass(frozen=True, slots=True)
class NameGroup:
    """A person's name in one writing. Source: DICOM PS3.5 6.2.1.1."""

    family: str
    given: str
    middle: str
    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of the header; without a zone it is that of the place where the film was made."""

    date: date
    time: time | None
    zone: timezone | None


@dataclass(frozen=True, slots=True)
class FilmContext:
    """Whose film it is, and for which order it was made; empty where the header does not state it."""

    patient_id: Identifier | None
    name: tuple[NameGroup | None, ...]
    """In letters, in ideograms, and as it sounds."""
    birth_date: date | None
    sex: str
    """M, F, O or empty."""
    accession: Identifier | None
    placer_order: str
    filler_order: str
    requested_procedure: str
    procedure: tuple[str, str, str] | None
    """Code, meaning and scheme of what was ordered, where the scheme is LOINC."""
    referrer: NameGroup | None
    exposed: Moment | None
    modality: str


def context_of(source: Dataset) -> FilmContext:
    """Read the header of a film; what breaks a rule of DICOM is as if it were not stated."""
    names = _names(_stated(source, "PatientName"))
    return FilmContext(
        patient_id=_identifier(source, "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence"),
        name=names,
        birth_date=_date(_stated(source, "PatientBirthDate")),
        sex=_stated(source, "PatientSex"),
        accession=_identifier(source, "AccessionNumber", "", "IssuerOfAccessionNumberSequence"),
        placer_order=_stated(source, "PlacerOrderNumberImagingServiceRequest"),
        filler_order=_stated(source, "FillerOrderNumberImagingServiceRequest"),
        requested_procedure=_requested(source),
        procedure=_procedure(source),
        referrer=next(iter(_names(_stated(source, "ReferringPhysicianName"))), None),
        exposed=_exposed(source),
        modality=_stated(source, "Modality"),
    )


def _stated(source: Dataset, keyword: str) -> str:
    try:
        with parsing(keyword):
            return passed_on(source, keyword)
    except InvalidImageError:
        return ""


def _items(source: Dataset, keyword: str) -> Sequence[Dataset]:
    try:
        with parsing(keyword):
            items = source.get(keyword) or ()
            return [item for item in items if isinstance(item, Dataset)]
    except (InvalidImageError, TypeError):  # not a sequence
        return []


def _identifier(source: Dataset, keyword: str, issuer: str, qualifiers: str) -> Identifier | None:
    value = _stated(source, keyword)
    if not value:
        return None
    named = _items(source, qualifiers)[:1] or [Dataset()]
    return Identifier(
        value,
        (_stated(source, issuer) if issuer else "") or _stated(named[0], "LocalNamespaceEntityID"),
        _stated(named[0], "UniversalEntityID"),
        _stated(named[0], "UniversalEntityIDType"),
    )


def _names(name: str) -> tuple[NameGroup | None, ...]:
    groups = []
    for group in name.split("=")[:3]:
        family, given, middle, prefix, suffix, *_ = [*(part.strip() for part in group.split("^")), "", "", "", "", ""]
        any_part = family or given or middle
        groups.append(NameGroup(family, given, middle, prefix, suffix) if any_part else None)
    return tuple(groups)


def _requested(source: Dataset) -> str:
    attributes = _items(source, "RequestAttributesSequence")[:1]
    return next((_stated(item, "RequestedProcedureID") for item in attributes), "")


def _procedure(source: Dataset) -> tuple[str, str, str] | None:
    for item in (*_items(source, "RequestedProcedureCodeSequence"), *_items(source, "ProcedureCodeSequence")):
        scheme = _SCHEMES.get(_stated(item, "CodingSchemeDesignator"))
        if scheme is not None and (code := _stated(item, "CodeValue")):
            return code, _stated(item, "CodeMeaning"), scheme
    return None


def _exposed(source: Dataset) -> Moment | None:
    zone = _zone(_stated(source, "TimezoneOffsetFromUTC"))
    for day, hour in _TIMES:
        if (known := _date(_stated(source, day))) is not None:
            return Moment(known, _time(_stated(source, hour)), zone)
    return None


def _date(value: str) -> date | None:
    if re.fullmatch(r"\d{8}", value) is None:
        return None
    try:
        return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _time(value: str) -> time | None:
    """Source: DICOM PS3.5 6.2, VR TM; a leap second is the second before it."""
    match = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(?:\.(\d{1,6}))?", value)
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    return time(int(hours), int(minutes), min(int(seconds), 59), int((fraction or "0").ljust(6, "0")))


def _zone(offset: str) -> timezone | None:
    """Source: DICOM PS3.3 C.12.1.1.8, `+HHMM` or `-HHMM`."""
    match = re.fullmatch(r"([+-])(0\d|1[0-4])([0-5]\d)", offset)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    return timezone((-1 if sign == "-" else 1) * timedelta(hours=int(hours), minutes=int(minutes)))
