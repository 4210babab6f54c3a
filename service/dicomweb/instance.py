"""What must be known of an instance before it is stored: which one it is, whether it is a film, and how urgent."""

import hashlib
import re
import struct
from dataclasses import dataclass, field
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from imaging.dicom.attributes import text
from imaging.dicom.dataset import read_elements
from imaging.dicom.header.exposures import EXPOSURE_ATTRIBUTES, Exposure, exposure_of
from imaging.limits import DecodeLimits, parsing
from schemas.errors import InvalidImageError
from service.capacity.admission import Priority

FILM_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography
    "1.2.840.10008.5.1.4.1.1.1.1",  # Digital X-Ray, for presentation
    "1.2.840.10008.5.1.4.1.1.1.1.1",  # Digital X-Ray, for processing
)
"""Storage SOP classes that are analysed; ours that a PACS sends back (SR, SC, GSPS) are none of them."""

URGENT: Final = ("STAT", "HIGH")
"""Values of `PRIORITIES` that mean `stat`; all others are routine."""

PRIORITIES: Final = (
    "RequestedProcedurePriority",  # PS3.3 C.4.11: STAT, HIGH, ROUTINE, MEDIUM, LOW
    "ScheduledProcedureStepPriority",  # PS3.3 C.30.1: HIGH, MEDIUM, LOW
    "StudyPriorityID",  # retired: HIGH, MED, LOW
)
"""Where worklists leave the urgency, at the top level or in an item of RequestAttributesSequence."""

_REQUESTS: Final = "RequestAttributesSequence"
_IDENTITY: Final = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_UID_CHARACTERS: Final = 64
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
"""PS3.5 9.1 without its rule about leading zeros: archives hold films whose UIDs break it."""
_LEADING_ZERO: Final = re.compile(r"(^|\.)0[0-9]")
_TAGS: Final = tuple(map(Tag, (*_IDENTITY, *PRIORITIES, _REQUESTS, *EXPOSURE_ATTRIBUTES)))
_PREAMBLE_BYTES: Final = 132
_LONG_VRS: Final = (b"OB", b"OW", b"UN", b"UT", b"SQ", b"UC", b"UR")


@dataclass(frozen=True, slots=True)
class Instance:
    """One DICOM instance as it was sent."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    priority: Priority
    content: bytes
    zero_led: tuple[str, ...] = ()
    """The attributes whose UID has a component with a leading zero."""
    transfer_syntax: str = ""
    exposure: Exposure = field(default_factory=Exposure)
    """Of which exposure it is an image, and in which form."""

    @property
    def is_film(self) -> bool:
        """Whether it is of a class that is analysed."""
        return self.sop_class_uid in FILM_CLASSES

    @property
    def sha256(self) -> str:
        """Of the whole file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def content_sha256(self) -> str:
        """Of the data set as it was sent, and its transfer syntax: what makes two files the same film.

        The preamble and the file meta information are left out: they are of the program that wrote the file, and
        differ for one object that came by STOW-RS and by C-STORE.
        """
        digest = hashlib.sha256(self.transfer_syntax.encode() + b"\0")
        digest.update(memoryview(self.content)[_data_set_offset(self.content) :])
        return digest.hexdigest()


def read_instance(content: bytes, limits: DecodeLimits) -> Instance:
    """Read the identity of an instance; its pixels are not touched.

    Raises:
        CxrError: it is not a DICOM file that can be read here, or an UID is missing or malformed.
    """
    dataset, transfer_syntax = read_elements(content, limits, _TAGS)
    uids = {name: _uid(dataset, name) for name in _IDENTITY}
    return Instance(
        sop_class_uid=uids["SOPClassUID"],
        sop_instance_uid=uids["SOPInstanceUID"],
        study_instance_uid=uids["StudyInstanceUID"],
        priority=_priority(dataset),
        content=content,
        zero_led=tuple(name for name, uid in uids.items() if _LEADING_ZERO.search(uid)),
        transfer_syntax=str(transfer_syntax),
        exposure=exposure_of(dataset),
    )


def _data_set_offset(content: bytes) -> int:
    """Where the elements of group 0002 end; its stated length is not believed. Source: PS3.10 7.1."""
    offset = _PREAMBLE_BYTES
    while content[offset : offset + 2] == b"\x02\x00" and len(content) >= offset + 12:
        if content[offset + 4 : offset + 6] in _LONG_VRS:
            offset += 12 + struct.unpack_from("<I", content, offset + 8)[0]
        else:
            offset += 8 + struct.unpack_from("<H", content, offset + 6)[0]
    return offset


def _uid(dataset: Dataset, keyword: str) -> str:
    with parsing(keyword):
        value = str(dataset.get(keyword) or "").strip("\0 ")
    if len(value) > _UID_CHARACTERS or not _UID.fullmatch(value):
        msg = f"{keyword} is missing or not a valid UID (DICOM PS3.5 9.1); export the film again"
        raise InvalidImageError(msg)
    return value


def _priority(dataset: Dataset) -> Priority:
    with parsing(_REQUESTS):
        levels = [dataset, *(dataset.get(_REQUESTS) or ())]
    priorities = {text(level, keyword) for level in levels for keyword in PRIORITIES}
    return "stat" if priorities & set(URGENT) else "routine"
