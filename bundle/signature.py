"""Signatures of bundles: `manifest.sig` lies beside the manifest, whose hashes cover every other file."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from bundle.reading import LARGEST_LINE, read_regular
from schemas.errors import SettingsError, UntrustedBundleError
from schemas.record import Record

if TYPE_CHECKING:  # a service that trusts every bundle does without its 8 MB
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE: Final = "manifest.sig"

_PEM_END: Final = b"-----END PUBLIC KEY-----"

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Keys = Mapping[str, "Ed25519PublicKey"]
"""Public keys by their ids."""


class DetachedSignature(Record):
    """A signature over the bytes of the file beside which it lies, as JSON."""

    format: Literal[1] = 1
    algorithm: Literal["ed25519"] = "ed25519"
    key_id: KeyId = Field(description="which key to try; it proves nothing")
    signature: str = Field(
        pattern=r"^[0-9a-f]{128}$", description="Ed25519 (RFC 8032) over the bytes of that file, in hexadecimal"
    )

    def signs(self, content: bytes, key: "Ed25519PublicKey") -> bool:
        """Whether this is the signature of these bytes by this key."""
        from cryptography.exceptions import InvalidSignature

        try:
            key.verify(bytes.fromhex(self.signature), content)
        except InvalidSignature:
            return False
        return True


class ManifestSignature(DetachedSignature):
    """The content of `manifest.sig`, over the bytes of manifest.json."""


def key_id_of(key: "Ed25519PublicKey") -> str:
    """The name of a public key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def parse_trusted_keys(content: bytes) -> Keys:
    """The public keys of a file that holds one PEM block after the other.

    Raises:
        SettingsError: it holds none, or something else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    blocks = [block + _PEM_END for block in content.split(_PEM_END)[:-1]]
    try:
        keys = [load_pem_public_key(block.lstrip()) for block in blocks]
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = (
            "the file of trusted keys holds a block that is not a public key; write it again from the files that "
            "`export keygen` made"
        )
        raise SettingsError(msg) from error
    ed25519 = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not ed25519 or len(ed25519) != len(keys):
        msg = "the file of trusted keys must hold Ed25519 public keys as PEM, at least one, and nothing else"
        raise SettingsError(msg)
    return {key_id_of(key): key for key in ed25519}


def check_signature(directory: Path, manifest: bytes, keys: Keys) -> None:
    """Refuse a bundle that none of the keys has signed, before anything in its manifest is used.

    Args:
        directory: of the bundle.
        manifest: the bytes that will be read as its manifest.
        keys: those that are trusted.

    Raises:
        UntrustedBundleError: there is no signature, or it was made by an unknown key or over other bytes.
    """
    try:
        stated = ManifestSignature.model_validate_json(read_regular(directory / SIGNATURE, LARGEST_LINE))
    except OSError as error:
        msg = f"{directory.name}: not signed ({SIGNATURE}: {error.strerror}); sign it with `python -m export sign`"
        raise UntrustedBundleError(msg) from error
    except ValidationError as error:
        msg = f"{directory.name}: {SIGNATURE} is not a signature; sign the bundle again with `python -m export sign`"
        raise UntrustedBundleError(msg) from error
    key = keys.get(stated.key_id)
    if key is None:
        msg = (
            f"{directory.name}: signed by key {stated.key_id}, which CXR_TRUSTED_KEYS_FILE does not hold; add it there"
        )
        raise UntrustedBundleError(msg)
    if not stated.signs(manifest, key):
        msg = (
            f"{directory.name}: the signature is not of this manifest; it was altered after key {stated.key_id} signed "
            "it: copy the whole bundle again, or sign it again"
        )
        raise UntrustedBundleError(msg)
