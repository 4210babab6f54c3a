"""A rejection note: the Key Object Selection that asks an archive to hide results which were withdrawn.

Source: DICOM PS3.16 TID 2010, CID 7010; IHE RAD, Imaging Object Change Management (IOCM).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from schemas.analysis import ObjectReference
from schemas.results import WithdrawalReason
from schemas.version import VERSION
from service.results.codes import DICOM, OURS_NAME
from service.results.history.header import give_header
from service.results.history.observer import service_observer
from service.results.source import MANUFACTURER
from service.results.times import date_object
from service.results.uids import derived_uid

SERIES_NUMBER: Final = 9904
TITLES: Final[Mapping[WithdrawalReason, Code]] = MappingProxyType(
    {
        "quality": Code("113001", DICOM, "Rejected for Quality Reasons"),
        "patient_safety": Code("113037", DICOM, "Rejected for Patient Safety Reasons"),
        "wrong_patient": Code("113038", DICOM, "Incorrect Modality Worklist Entry"),
    }
)
"""What IOCM lets an archive do with the objects: show them no more in ordinary work; show them to nobody."""
_IMAGES: Final = ("1.2.840.10008.5.1.4.1.1.7",)
_PATIENT_AND_STUDY: Final = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why results are rejected, and when."""

    reason: WithdrawalReason
    """Which title the note has."""
    why: str
    """A sentence for whoever reads it."""
    number: int
    """InstanceNumber of the note."""
    at: datetime


def rejection_note(objects: Sequence[ObjectReference], header: Dataset, rejection: Rejection) -> Dataset:
    """Write the note; the same objects and reason give the same UIDs.

    Args:
        objects: what is rejected, of one study.
        header: whose they are (`service.results.history.header`).
        rejection: why, and when.
    """
    title = TITLES[rejection.reason]
    rejected = list(map(_as_evidence, objects))
    study = objects[0].study_instance_uid
    content = KeyObjectSelection(title, rejected, observer_device_context=service_observer(), description=rejection.why)
    note = KeyObjectSelectionDocument(
        evidence=rejected,
        content=content,
        series_instance_uid=derived_uid(study, "KO series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid("KO", title.value, *sorted(each.sop_instance_uid for each in objects)),
        instance_number=rejection.number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=OURS_NAME,
        software_versions=f"{MANUFACTURER} {VERSION}",
        device_serial_number=VERSION,
        series_description="Withdrawn results (research use only)",
    )
    give_header(note, header)
    date_object(note, rejection.at, str(header.TimezoneOffsetFromUTC))
    return note


def _as_evidence(reference: ObjectReference) -> Dataset:
    """What highdicom asks of an object, and no patient that it could log."""
    evidence = Dataset()
    evidence.StudyInstanceUID = reference.study_instance_uid
    evidence.SeriesInstanceUID = reference.series_instance_uid
    evidence.SOPClassUID = reference.sop_class_uid
    evidence.SOPInstanceUID = reference.sop_instance_uid
    for keyword in _PATIENT_AND_STUDY:
        setattr(evidence, keyword, "")
    if reference.sop_class_uid in _IMAGES:
        evidence.Rows = evidence.Columns = 1
    return evidence
