"""Who vouches for a bundle: the signature beside its manifest, whose hashes vouch for every other file."""

from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.record import Record

SIGNATURE: Final = "manifest.sig"

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class ManifestSignature(Record):
    """The content of `manifest.sig`, as JSON."""

    format: Literal[1] = 1
    algorithm: Literal["ed25519"] = "ed25519"
    key_id: KeyId = Field(description="says which key to try; it proves nothing")
    signature: str = Field(
        pattern=r"^[0-9a-f]{128}$", description="Ed25519 (RFC 8032) over the bytes of manifest.json, in hexadecimal"
    )


def key_id_of(public_key: bytes) -> str:
    """The name of an Ed25519 public key of 32 bytes: the beginning of its SHA-256."""
    return sha256(public_key).hexdigest()[:16]
