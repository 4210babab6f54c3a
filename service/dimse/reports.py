"""The data sets of storage commitment: requests and answers, read within bounds.

Source: DICOM PS3.4 tables J.3.2-1 and J.3.3-1.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from pydicom.dataset import Dataset

MOST_REFERENCES: Final = 1000
ALL_COMMITTED: Final = 1
SOME_FAILED: Final = 2
"""Event types."""
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What a caller asks to be committed to."""

    transaction_uid: str
    references: Mapping[str, str]
    """SOP class by SOP instance."""

    @classmethod
    def of(cls, event: Any) -> Self | None:
        """Of an N-ACTION; None where it cannot be read."""
        try:
            information = event.action_information
            references = dict(_pairs(information, "ReferencedSOPSequence"))
            return cls(_uid(information.TransactionUID), references) if references else None
        except Exception:  # noqa: BLE001 pydicom raises whatever reading hostile bytes leads to
            return None

    def answer(self, failures: Mapping[str, int]) -> tuple[int, Dataset]:
        """Event type and information of the answer; `failures` are reasons by SOP instance."""
        information = Dataset()
        information.TransactionUID = self.transaction_uid
        committed = [uid for uid in self.references if uid not in failures]
        if committed:
            information.ReferencedSOPSequence = [self._item(uid) for uid in committed]
        if failures:
            information.FailedSOPSequence = [self._item(uid, reason) for uid, reason in failures.items()]
        return (SOME_FAILED if failures else ALL_COMMITTED), information

    def _item(self, uid: str, reason: int | None = None) -> Dataset:
        item = Dataset()
        item.ReferencedSOPClassUID = self.references[uid]
        item.ReferencedSOPInstanceUID = uid
        if reason is not None:
            item.FailureReason = reason
        return item


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What an archive has answered."""

    transaction_uid: str
    committed: Sequence[str]
    failed: Sequence[str]

    @classmethod
    def of(cls, event: Any) -> Self | None:
        """Of an N-EVENT-REPORT; None where it cannot be read."""
        try:
            if event.event_type not in (ALL_COMMITTED, SOME_FAILED):
                return None
            information = event.event_information
            committed = tuple(uid for uid, _ in _pairs(information, "ReferencedSOPSequence"))
            failed = tuple(uid for uid, _ in _pairs(information, "FailedSOPSequence"))
            return cls(_uid(information.TransactionUID), committed, failed)
        except Exception:  # noqa: BLE001 pydicom raises whatever reading hostile bytes leads to
            return None


def _pairs(information: Dataset, keyword: str) -> Iterator[tuple[str, str]]:
    items = information.get(keyword) or ()
    if len(items) > MOST_REFERENCES:
        raise ValueError(keyword)
    for item in items:
        yield _uid(item.ReferencedSOPInstanceUID), _uid(item.ReferencedSOPClassUID)


def _uid(value: Any) -> str:
    text = str(value).strip("\0 ")
    if len(text) > _UID_CHARACTERS or not _UID.fullmatch(text):
        raise ValueError
    return text
