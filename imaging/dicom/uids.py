"""Identifiers made of hashes: UUIDs and DICOM UIDs."""

import uuid

_VERSION_8 = 8 << 76
_VARIANT = 2 << 62


def uuid_of(digest: bytes) -> uuid.UUID:
    """The UUID of the first 16 bytes of a hash. Source: RFC 9562 5.8 (version 8: the bits are the application's)."""
    bits = int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(3 << 62)
    return uuid.UUID(int=bits | _VERSION_8 | _VARIANT)


def uid_of(digest: bytes) -> str:
    """The same as a DICOM UID: 2.25 and the UUID as a decimal number. Source: DICOM PS3.5 B.2."""
    return f"2.25.{uuid_of(digest).int}"
