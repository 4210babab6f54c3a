"""The attributes of a patient in a DICOM file that training may use."""

from pydicom.tag import Tag

from imaging.dicom.attributes import text
from imaging.dicom.dataset import read_elements
from imaging.limits import DecodeLimits

_ATTRIBUTES = {"sex": "PatientSex", "view": "ViewPosition"}
_TAGS = tuple(map(Tag, ("PatientID", "PatientAge", *_ATTRIBUTES.values())))
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}  # PS3.5 6.2, VR AS: 018M is 18 months
_OLDEST = 90
"""Higher ages are recorded as this: rare ages identify people.

Source: HIPAA Privacy Rule, 45 CFR 164.514(b)(2)(i)(C).
"""


def patient_of(data: bytes) -> tuple[str | None, dict[str, str]]:
    """The PatientID, or None, and the attributes sex, age (years) and view, as far as the file states them.

    The PatientID serves to distinguish patients and is written nowhere.

    Raises:
        CxrError: see `imaging.dicom.dataset.read_elements`.

    Source: DICOM PS3.3 C.7.1.1, C.7.2.2, C.8.11.5.
    """
    dataset, _ = read_elements(data, DecodeLimits(), _TAGS)
    attributes = {name: text(dataset, keyword) for name, keyword in _ATTRIBUTES.items()}
    attributes["age"] = _years(text(dataset, "PatientAge"))
    return text(dataset, "PatientID") or None, {name: value for name, value in attributes.items() if value}


def _years(age: str) -> str:
    number = age[:-1]
    unit = age[-1:]
    if unit not in _YEARS or not number.isdecimal():
        return ""
    return f"{min(int(number) * _YEARS[unit], _OLDEST):.3g}"
