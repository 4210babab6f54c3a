"""The identifiers of results: derived from what was analysed and by what, so that the same work has the same names."""

import hashlib
import uuid

from imaging.dicom.uids import uid_of, uuid_of


def derived_uid(*parts: str) -> str:
    """The DICOM UID of `parts`, in their order, by SHA-256."""
    return uid_of(_digest(parts))


def derived_uuid(*parts: str) -> uuid.UUID:
    """The UUID of `parts`, in their order, by SHA-256."""
    return uuid_of(_digest(parts))


def _digest(parts: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
