"""What lets an archive reject withdrawn results: a rejection note for each issue."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pydicom import dcmwrite
from pydicom.dataset import Dataset

from schemas.results import WithdrawalReason
from service.dicomweb.history.issues import Issue, Withdrawal
from service.results.history.header import is_of_another, read_header
from service.results.history.withdrawal import Rejection, rejection_note

_WHY: Final[Mapping[WithdrawalReason, str]] = {
    "quality": "These results are of no use: they were withdrawn by an operator.",
    "patient_safety": "Nobody may use these results: they were withdrawn by an operator.",
    "wrong_patient": "These results are of another patient or order: they were withdrawn by an operator.",
}
_CORRECTED: Final = "The film was sent again with another content under its UID; these results are of the earlier one."


def rejection_notes(withdrawal: Withdrawal) -> Mapping[str, bytes]:
    """Write the notes, as DICOM files by their SOPInstanceUID; none about an issue without objects."""
    at = datetime.fromtimestamp(withdrawal.at, UTC)
    notes = {}
    for issue in withdrawal.issues:
        if issue.objects:
            reason = withdrawal.reason or _reason(issue, withdrawal.successor)
            why = _CORRECTED if withdrawal.reason is None else _WHY[reason]
            header = read_header(issue.header)
            note = rejection_note(issue.objects, header, Rejection(reason, why, withdrawal.number, at))
            notes[str(note.SOPInstanceUID)] = bytes_of(note)
    return notes


def bytes_of(dataset: Dataset) -> bytes:
    """An object as a DICOM file."""
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _reason(issue: Issue, successor: Issue | None) -> WithdrawalReason:
    """Where patient or study have changed, the results must be shown to nobody under the old ones."""
    if successor is None:
        return "quality"
    return "wrong_patient" if is_of_another(read_header(issue.header), read_header(successor.header)) else "quality"
