"""Whose bundles are served: those signed by a key of the operator's file, where there is one."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import ValidationError

from schemas.errors import SettingsError, UntrustedBundleError
from schemas.signature import SIGNATURE, ManifestSignature, key_id_of
from service.security.watched_file import WatchedFile

_END: Final = b"-----END PUBLIC KEY-----"

Keys = Mapping[str, Ed25519PublicKey]


def parse_trusted_keys(content: bytes) -> Keys:
    """The public keys of a file, one PEM block after the other, by their ids.

    Raises:
        SettingsError: it holds none, or something else.
    """
    blocks = [block + _END for block in content.split(_END)[:-1]]
    try:
        keys = [load_pem_public_key(block.lstrip()) for block in blocks]
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = (
            "the file of trusted keys holds a block that is no public key; write it anew from what `export keygen` made"
        )
        raise SettingsError(msg) from error
    ed25519 = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not ed25519 or len(ed25519) != len(keys):
        msg = "the file of trusted keys must hold Ed25519 public keys as PEM, at least one, and nothing else"
        raise SettingsError(msg)
    return {key_id_of(key.public_bytes_raw()): key for key in ed25519}


class Trust:
    """Knows the trusted keys; the file is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            SettingsError: it cannot be read, or holds no keys.
        """
        self.path = path
        self._keys = WatchedFile(path, parse_trusted_keys)

    def accept(self, directory: Path) -> Callable[[bytes], None]:
        """`check` of the bundle in this directory, for `schemas.bundle.open_bundle`."""
        return partial(self.check, directory)

    def check(self, directory: Path, manifest: bytes) -> None:
        """Refuse a bundle that no trusted key has signed, before anything in it is believed.

        Args:
            directory: of the bundle.
            manifest: the bytes that will be read as its manifest.

        Raises:
            UntrustedBundleError: there is no signature, or it is of an unknown key or of other bytes.
        """
        try:
            stated = ManifestSignature.model_validate_json((directory / SIGNATURE).read_bytes())
        except OSError as error:
            msg = f"{directory.name}: not signed ({SIGNATURE}: {error.strerror}); sign it with `python -m export sign`"
            raise UntrustedBundleError(msg) from error
        except ValidationError as error:
            msg = f"{directory.name}: {SIGNATURE} is no signature; sign the bundle again with `python -m export sign`"
            raise UntrustedBundleError(msg) from error
        key = self._keys.current().get(stated.key_id)
        if key is None:
            msg = f"{directory.name}: signed by key {stated.key_id}, which CXR_TRUSTED_KEYS_FILE does not hold; add it there"
            raise UntrustedBundleError(msg)
        try:
            key.verify(bytes.fromhex(stated.signature), manifest)
        except InvalidSignature as error:
            msg = f"{directory.name}: the signature is not of this manifest; it was altered after key {stated.key_id} signed it"
            raise UntrustedBundleError(msg) from error
