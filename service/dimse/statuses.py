"""Statuses of C-STORE: what a film's sender is answered, and what an archive's answer means; pure.

Source: DICOM PS3.4 table B.2-1, PS3.7 annex C.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from schemas import errors
from schemas.errors import CxrError, PacsRefusedError, PacsUnreachableError

SUCCESS: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE: Final = 0x0111
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_CONFLICT: Final = 0x0119
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
COERCED: Final = 0xB000

_REASONS: Final[Mapping[type[CxrError], int]] = {errors.UnsupportedImageError: 0xC122}
_FINAL: Final = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE})
"""Answers of the service after which the same film would be refused again; keys, quotas and load are not the film's."""
_WARNINGS: Final = frozenset({COERCED, 0xB006, 0xB007})
_FAILED: Final = ("00081198", "0008119A")
_REFERENCED: Final = "00081199"
_FAILURE_REASON: Final = "00081197"
_WARNING_REASON: Final = "00081196"


def status_of_problem(error: CxrError) -> int:
    """Of an object that was not even handed to the service: it cannot be read."""
    return _REASONS.get(type(error), CANNOT_UNDERSTAND)


def status_of_answer(http_status: int, body: Any) -> int:
    """The status of one film, from the answer of STOW-RS to it alone; success only where the film is on the disk.

    Other content under a known UID is answered with a duplicate's failure: a warning counts as stored for a sender,
    which may then delete what the service did not keep.
    """
    if reason := _reason(body, (_REFERENCED,), _WARNING_REASON):
        return DUPLICATE if reason == COERCED else reason
    if reason := _reason(body, _FAILED, _FAILURE_REASON):
        return reason
    if http_status == HTTPStatus.OK and isinstance(body, dict) and body.get(_REFERENCED):
        return SUCCESS
    return CANNOT_UNDERSTAND if http_status in _FINAL else OUT_OF_RESOURCES


def judge(statuses: Sequence[tuple[str, int | None]]) -> None:
    """Raise unless an archive has every result.

    Args:
        statuses: of each C-STORE, behind a name that may be shown; None where no answer came.

    Raises:
        PacsUnreachableError: another attempt may succeed.
        PacsRefusedError: another attempt would be refused too.
    """
    failures = [pair for pair in statuses if pair[1] not in (SUCCESS, DUPLICATE) and pair[1] not in _WARNINGS]
    if not failures:
        return
    listed = ", ".join(f"{name} {'no answer' if status is None else f'{status:04X}'}" for name, status in failures)
    msg = f"the archive did not store all results ({listed})"
    if all(
        status is None or status & 0xFF00 == OUT_OF_RESOURCES or status == PROCESSING_FAILURE for _, status in failures
    ):
        msg += "; the delivery is tried again"
        raise PacsUnreachableError(msg)
    msg += "; mend it there, then send POST /results/{sop_instance_uid}/retry"
    raise PacsRefusedError(msg)


def _reason(body: Any, sequences: tuple[str, ...], tag: str) -> int | None:
    for sequence in sequences:
        try:
            return int(body[sequence]["Value"][0][tag]["Value"][0])
        except (KeyError, TypeError, IndexError, ValueError):
            continue
    return None
