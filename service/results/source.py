"""What results take over from the film that they are about: who it belongs to, and how it is shown."""

import re
from collections.abc import Sequence
from typing import Any, Final

import pydicom.config
from pydicom.charset import convert_encodings, decode_bytes, default_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import TEXT_VR_DELIMS, validate_value

from imaging.dicom.attributes import text
from imaging.limits import parsing
from schemas.analysis import AnalysisRecord
from schemas.errors import InvalidImageError
from service.results.anatomy import state_body_part

MANUFACTURER: Final = "cxr-classifier"
CHARACTER_SET: Final = "ISO_IR 192"  # UTF-8 holds every name, in whatever set the film was written
_ESCAPE: Final = b"\x1b"

# Type 1 or 2 in the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): there, if empty.
_PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
# Type 3: present where the film has them; an archive distinguishes patients by the issuer of their ID.
_WHERE_PRESENT = ("IssuerOfPatientID", "StudyDescription")
_UIDS = {
    "StudyInstanceUID": "study_instance_uid",
    "SeriesInstanceUID": "series_instance_uid",
    "SOPInstanceUID": "sop_instance_uid",
    "SOPClassUID": "sop_class_uid",
}


def equipment(record: AnalysisRecord) -> dict[str, Any]:
    """The General Equipment module of a result, as highdicom's arguments: the bundle, and the software that ran it.

    Source: DICOM PS3.3 C.7.5.1; SoftwareVersions has a value for each.
    """
    model = record.model
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": model.name[:64],
        "software_versions": [model.version[:64], f"{MANUFACTURER} {record.software_version}"],
        "device_serial_number": model.sha256,
    }


def evidence(source: Dataset, record: AnalysisRecord) -> Dataset:
    """The film as highdicom wants it: every attribute that it asks for, and no patient that it could log.

    Raises:
        InvalidImageError: a UID of the film is missing, or is not that of the record.
    """
    film = Dataset()
    for keyword, field in _UIDS.items():
        uid = text(source, keyword)
        if uid != getattr(record, field):
            msg = f"the film's {keyword} is missing or not that of its analysis; send the film again"
            raise InvalidImageError(msg)
        setattr(film, keyword, uid)
    for keyword in _PATIENT_AND_STUDY:
        setattr(film, keyword, "")
    film.Rows = record.image.rows
    film.Columns = record.image.columns
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = record.image.photometric_interpretation
    film.Modality = text(source, "Modality")
    film.InstanceNumber = record.instance_number or _number_of(source)
    return film


def _number_of(source: Dataset) -> int:
    number = text(source, "InstanceNumber")
    return int(number) if re.fullmatch(r"[1-9]\d{0,8}", number) else 1


def give_to_patient(result: Dataset, source: Dataset) -> None:
    """Name the patient and the study of the film in a result."""
    result.SpecificCharacterSet = CHARACTER_SET
    with parsing("Patient and General Study modules"):
        for keyword in _PATIENT_AND_STUDY:
            setattr(result, keyword, passed_on(source, keyword))
        for keyword in _WHERE_PRESENT:
            if value := passed_on(source, keyword):
                setattr(result, keyword, value)
    if result.Modality != "SR":  # the SR Document Series Module has no body part
        state_body_part(result, source)


def passed_on(source: Dataset, keyword: str) -> str:
    """The film's value as it is; empty where it is absent, and a date, a time or a sex also where it is none.

    An archive files a result under the patient and the order that it knows from the film, whose number may be longer
    than the standard allows.
    """
    value = _as_written(source, keyword)
    if keyword == "PatientSex":
        return value if value in ("M", "F", "O") else ""  # the enumerated values of PS3.3 C.7.1.1
    if dictionary_VR(keyword) not in ("DA", "TM"):
        return value
    try:
        validate_value(dictionary_VR(keyword), value, pydicom.config.RAISE)
    except ValueError:
        return ""
    return value


def _as_written(source: Dataset, keyword: str) -> str:
    r"""The text of an attribute: whole where it holds a backslash, and never with a character that replaces others.

    A value like `CLINIC\12345` is two values in DICOM, and a writer who means one gets it back as it was. Where the
    bytes are not of the character set that the film states, they are read as Latin-1, which has a letter for each.
    """
    element = source.get_item(keyword) if keyword in source else None
    value = None if element is None else element.value
    if isinstance(value, bytes):  # nobody has read it yet
        value = _decoded(value, convert_encodings(source.get("SpecificCharacterSet") or [default_encoding]))
    elif isinstance(value, MultiValue):
        value = "\\".join(map(str, value))
    return "" if value is None else str(value).strip("\0 ")


def _decoded(value: bytes, encodings: Sequence[str]) -> str:
    if len(encodings) > 1 or _ESCAPE in value:  # code extensions: PS3.5 6.1.2.5
        return decode_bytes(value, encodings, TEXT_VR_DELIMS)
    try:
        return value.decode(encodings[0])
    except UnicodeDecodeError:
        return value.decode("latin-1")
