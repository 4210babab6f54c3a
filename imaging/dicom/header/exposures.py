"""Which films are images of one exposure: a detector gives it FOR PROCESSING and FOR PRESENTATION; pure.

Source: DICOM PS3.3 C.8.11.1 (PresentationIntentType), C.7.6.1 (IrradiationEventUID, SourceImageSequence).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from imaging.dicom.attributes import items, text
from schemas.errors import InvalidImageError

EXPOSURE_ATTRIBUTES: Final = (
    "SOPClassUID",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "SourceImageSequence",
    "IrradiationEventUID",
    "PresentationIntentType",
    "DeviceSerialNumber",
    "DetectorID",
)
"""What is read here."""

FOR_PROCESSING: Final = "FOR PROCESSING"
FOR_PRESENTATION: Final = "FOR PRESENTATION"
_PROCESSING_CLASS: Final = "1.2.840.10008.5.1.4.1.1.1.1.1"


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a film states of its exposure."""

    intent: str = ""
    """FOR PROCESSING, FOR PRESENTATION, or empty."""
    key: str | None = None
    """The same for the images of one exposure; None: the film does not state which it is."""
    source_uid: str | None = None
    """SOPInstanceUID of the image that it was made from."""


def exposure_of(dataset: Dataset) -> Exposure:
    """Read the exposure of a film; an attribute that cannot be read states nothing."""
    intent = _text(dataset, "PresentationIntentType")
    if intent not in (FOR_PROCESSING, FOR_PRESENTATION):
        intent = FOR_PROCESSING if _text(dataset, "SOPClassUID") == _PROCESSING_CLASS else ""
    event = _text(dataset, "IrradiationEventUID")
    moment = _text(dataset, "AcquisitionDateTime") or _moment(dataset)
    detector = _text(dataset, "DetectorID") or _text(dataset, "DeviceSerialNumber")
    parts = ("event", event) if event else ("moment", moment, detector) if moment and detector else None
    key = None if parts is None else hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return Exposure(intent, key, _source(dataset))


def _moment(dataset: Dataset) -> str:
    """Empty where the time is not stated to the second: two exposures of a day would be one."""
    day, time = _text(dataset, "AcquisitionDate"), _text(dataset, "AcquisitionTime")
    return day + time if day and len(time) >= len("HHMMSS") else ""


def _source(dataset: Dataset) -> str | None:
    try:
        uids = [text(item, "ReferencedSOPInstanceUID") for item in items(dataset, "SourceImageSequence")]
    except InvalidImageError:
        return None
    return uids[0][:64] if len(uids) == 1 and uids[0] else None


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return text(dataset, keyword)
    except InvalidImageError:
        return ""
