"""Ed25519 keys that sign files: made, read, and used; what is signed decides whoever calls."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bundle.files import write_whole
from bundle.signature import DetachedSignature, key_id_of
from schemas.errors import SigningKeyError


def make_key(path: Path) -> str:
    """Write a new private key to `path`, for its owner alone, and its public key to `path` with `.pub`.

    Returns:
        The id of the key.

    Raises:
        SigningKeyError: a file is there already, or the disk refuses.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600), "wb") as stream:  # noqa: PTH123 the mode
            stream.write(private)
            stream.flush()
            os.fsync(stream.fileno())
        write_whole(
            path.with_name(path.name + ".pub"),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )
    except OSError as error:
        msg = f"{path} cannot be made ({error.strerror}); a key is never overwritten: give another file"
        raise SigningKeyError(msg) from error
    return key_id_of(key.public_key())


def read_key(path: Path, *, remedy: str) -> Ed25519PrivateKey:
    """The private key of a file.

    Args:
        path: Ed25519 private key as unencrypted PEM.
        remedy: the command that makes one.

    Raises:
        SigningKeyError: the key cannot be read.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); make a key with `{remedy}`"
        raise SigningKeyError(msg) from error
    except (ValueError, TypeError) as error:
        msg = f"{path} does not hold a private key without a password (PEM); make one with `{remedy}`"
        raise SigningKeyError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{path} holds a key of another kind; Ed25519 alone signs: `{remedy}`"
        raise SigningKeyError(msg)
    return key


def signature_of(content: bytes, key: Ed25519PrivateKey) -> DetachedSignature:
    """The signature over these bytes."""
    return DetachedSignature(key_id=key_id_of(key.public_key()), signature=key.sign(content).hex())
