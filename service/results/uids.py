"""The identifiers of results: derived from what was analysed and by what, so that the same work has the same names."""

import hashlib
import uuid

_VERSION_8 = 8 << 76
_VARIANT = 2 << 62


def derived_uuid(*parts: str) -> uuid.UUID:
    """The UUID of the SHA-256 of `parts`, in their order.

    Source: RFC 9562 5.8 (version 8: the bits are the application's).
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    bits = int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(3 << 62)
    return uuid.UUID(int=bits | _VERSION_8 | _VARIANT)


def derived_uid(*parts: str) -> str:
    """The same as a DICOM UID: 2.25 and the UUID as a decimal number. Source: DICOM PS3.5 B.2."""
    return f"2.25.{derived_uuid(*parts).int}"
