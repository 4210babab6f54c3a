"""Signing bundles: a key pair, and `manifest.sig` next to a manifest."""

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
from bundle.opening import open_bundle
from bundle.signature import SIGNATURE, ManifestSignature, check_signature, key_id_of
from schemas.errors import BundleError, SigningKeyError
from schemas.model.manifest import MANIFEST


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


def sign_bundle(directory: Path, key_file: Path) -> str:
    """Sign the manifest of a sound bundle.

    Args:
        directory: of the bundle.
        key_file: Ed25519 private key as unencrypted PEM.

    Returns:
        The id of the key.

    Raises:
        BundleError: a file is missing or altered, or the signature cannot be written.
        SigningKeyError: the key cannot be read.
    """
    key = _read_key(key_file)
    signed: list[bytes] = []
    open_bundle(directory, signed.append)  # the very bytes whose hashes were right are signed
    key_id = key_id_of(key.public_key())
    content = ManifestSignature(key_id=key_id, signature=key.sign(signed[0]).hex()).model_dump_json() + "\n"
    try:
        write_whole(directory / SIGNATURE, content.encode())
    except OSError as error:
        msg = f"{SIGNATURE} cannot be written next to {MANIFEST} ({error.strerror}); correct that and sign again"
        raise BundleError(msg) from error
    check_signature(directory, signed[0], {key_id: key.public_key()})  # as a service that trusts the key will
    return key_id


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); make a key with `python -m export keygen`"
        raise SigningKeyError(msg) from error
    except (ValueError, TypeError) as error:
        msg = f"{path} does not hold a private key without a password (PEM); make one with `python -m export keygen`"
        raise SigningKeyError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{path} holds a key of another kind; bundles are signed with Ed25519: `python -m export keygen`"
        raise SigningKeyError(msg)
    return key
