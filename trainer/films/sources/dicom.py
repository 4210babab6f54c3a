"""What a DICOM file says of its patient, as far as training may use it."""

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from imaging.dicom.attributes import text
from imaging.dicom.dataset import read_elements
from imaging.dicom.header.ages import age_years
from imaging.limits import DecodeLimits, parsing

_ATTRIBUTES = {"sex": "PatientSex", "view": "ViewPosition"}
_TAGS = tuple(map(Tag, ("PatientID", "IssuerOfPatientID", "PatientAge", *_ATTRIBUTES.values(), "StudyInstanceUID")))
_OLDEST = 90
"""Higher ages are recorded as this: rare ages identify people.

Source: HIPAA Privacy Rule, 45 CFR 164.514(b)(2)(i)(C).
"""


@dataclass(frozen=True, slots=True)
class StatedPatient:
    """Whom a file names: it serves to distinguish patients and is written nowhere; empty where the file is silent."""

    patient_id: str = ""
    issuer: str = ""
    """Who gave the id: ids of two issuers may be equal by chance."""
    study: str = ""
    """The StudyInstanceUID: films of one study are of one patient."""


def patient_of(data: bytes) -> tuple[StatedPatient, dict[str, str]]:
    """Whom a file names, and the attributes sex, age (years) and view, as far as the file states them.

    Raises:
        CxrError: see `imaging.dicom.dataset.read_elements`.

    Source: DICOM PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.8.11.5.
    """
    dataset, _ = read_elements(data, DecodeLimits(), _TAGS)
    attributes = {name: text(dataset, keyword) for name, keyword in _ATTRIBUTES.items()}
    attributes["age"] = _years(text(dataset, "PatientAge"))
    stated = StatedPatient(*(_whole(dataset, name) for name in ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")))
    return stated, {name: value for name, value in attributes.items() if value}


def _whole(dataset: Dataset, keyword: str) -> str:
    """All of a value in upper case: a backslash, which the standard forbids in an id, makes pydicom see several."""
    with parsing(keyword):
        value = dataset.get(keyword)
        parts = value if isinstance(value, MultiValue) else (value,)
        return "\\".join("" if part is None else str(part) for part in parts).strip("\0 ").upper()


def _years(age: str) -> str:
    years = age_years(age)
    return "" if years is None else f"{min(years, _OLDEST):.3g}"
