"""Signing bundles: `manifest.sig` next to a manifest."""

from pathlib import Path
from typing import Final

from bundle.files import write_whole
from bundle.opening import open_bundle
from bundle.signature import SIGNATURE, check_signature
from bundle.signing import read_key, signature_of
from schemas.errors import BundleError
from schemas.model.manifest import MANIFEST

KEYGEN: Final = "python -m export keygen"


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
    key = read_key(key_file, remedy=KEYGEN)
    signed: list[bytes] = []
    open_bundle(directory, signed.append)  # the very bytes whose hashes were right are signed
    signature = signature_of(signed[0], key)
    try:
        write_whole(directory / SIGNATURE, (signature.model_dump_json() + "\n").encode())
    except OSError as error:
        msg = f"{SIGNATURE} cannot be written next to {MANIFEST} ({error.strerror}); correct that and sign again"
        raise BundleError(msg) from error
    check_signature(directory, signed[0], {signature.key_id: key.public_key()})  # as a service that trusts it will
    return signature.key_id
