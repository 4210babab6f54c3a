"""The file of trusted keys, and the one check of a signature; whose bundles are served stands in
tests/service/models."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bundle.signature import SIGNATURE, ManifestSignature, check_signature, key_id_of, parse_trusted_keys
from schemas.errors import SettingsError, UntrustedBundleError


def pem(key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_keys_are_found_by_their_ids_whatever_stands_between_them() -> None:
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    keys = parse_trusted_keys(pem(first) + b"\n\n" + pem(second))

    assert set(keys) == {key_id_of(first.public_key()), key_id_of(second.public_key())}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        b"-----BEGIN PUBLIC KEY-----\nrubbish\n-----END PUBLIC KEY-----\n",
        pem(generate_private_key(SECP256R1())),
    ],
    ids=["empty", "text", "broken", "another kind"],
)
def test_a_file_without_ed25519_keys_is_refused(content) -> None:
    with pytest.raises(SettingsError, match="file of trusted keys"):
        parse_trusted_keys(content)


def test_a_signature_is_of_these_bytes_and_no_others(tmp_path) -> None:
    key = Ed25519PrivateKey.generate()
    keys = {key_id_of(key.public_key()): key.public_key()}
    signature = ManifestSignature(key_id=key_id_of(key.public_key()), signature=key.sign(b"manifest").hex())
    (tmp_path / SIGNATURE).write_text(signature.model_dump_json())

    check_signature(tmp_path, b"manifest", keys)
    with pytest.raises(UntrustedBundleError, match="not of this manifest"):
        check_signature(tmp_path, b"manifest ", keys)
    with pytest.raises(UntrustedBundleError, match="does not hold"):
        check_signature(tmp_path, b"manifest", {})
