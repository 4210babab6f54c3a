"""Rules of signatures in the format of OpenSSF model-signing.

The package itself, 1.1.1, accepted a signature by each curve (`model_signing verify key`), and named an altered file;
here the format is taken apart by the standards that it is made of.
"""

import base64
import json
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bundle.opening import open_bundle
from bundle.signing import make_key
from export.openssf import sign_for_openssf
from export.sign import sign_bundle
from schemas.errors import BundleError, SigningKeyError
from tests.service.bundles import write_tiny_bundle

CURVES = [(ec.SECP256R1(), SHA256()), (ec.SECP384R1(), SHA384()), (ec.SECP521R1(), SHA512())]


def write_key(path, key):
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def signed(directory):
    """The statement of model.sig, what DSSE signs of it, and the signature."""
    envelope = json.loads((directory / "model.sig").read_text())["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    pae = b"DSSEv1 28 application/vnd.in-toto+json " + str(len(payload)).encode() + b" " + payload
    return json.loads(payload), pae, base64.b64decode(envelope["signatures"][0]["sig"])


@pytest.mark.parametrize(("curve", "digest"), CURVES, ids=lambda value: value.name)
def test_every_file_is_signed_in_a_dsse_envelope(curve, digest, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    key = ec.generate_private_key(curve)
    sign_for_openssf(directory, write_key(tmp_path / "key.pem", key))
    statement, pae, signature = signed(directory)
    resources = statement["predicate"]["resources"]
    digests = b"".join(bytes.fromhex(each["digest"]) for each in resources)

    key.public_key().verify(signature, pae, ec.ECDSA(digest))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, pae + b" ", ec.ECDSA(digest))
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    assert statement["subject"] == [{"name": "1.0.0", "digest": {"sha256": sha256(digests).hexdigest()}}]
    assert {each["name"]: each["digest"] for each in resources} == {
        path.name: sha256(path.read_bytes()).hexdigest() for path in directory.iterdir() if path.name != "model.sig"
    }
    assert [each["name"] for each in resources] == sorted(each["name"] for each in resources)


def test_the_two_signatures_do_not_disturb_each_other(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    make_key(tmp_path / "ours.pem")
    sign_for_openssf(directory, write_key(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1())))
    before = (directory / "model.sig").read_bytes()
    sign_bundle(directory, tmp_path / "ours.pem")

    assert (directory / "model.sig").read_bytes() == before
    assert signed(directory)[0]["predicate"]["serialization"]["ignore_paths"] == ["model.sig", "manifest.sig"]
    assert open_bundle(directory).manifest.name == "tiny"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "a key of another kind; model-signing takes P-256"),
        (ec.generate_private_key(ec.SECP256K1()), "a key of another kind; model-signing takes P-256"),
    ],
    ids=["Ed25519", "secp256k1"],
)
def test_other_keys_are_refused(key, reason, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)

    with pytest.raises(SigningKeyError, match=reason):
        sign_for_openssf(directory, write_key(tmp_path / "key.pem", key))
    assert not (directory / "model.sig").exists()


def test_an_altered_bundle_is_not_signed(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    (directory / "MODEL_CARD.md").write_text("# other\n")

    with pytest.raises(BundleError, match="MODEL_CARD"):
        sign_for_openssf(directory, write_key(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1())))


def test_a_key_that_is_not_there_is_named_with_the_way_to_make_one(tmp_path) -> None:
    with pytest.raises(SigningKeyError, match="openssl ecparam"):
        sign_for_openssf(write_tiny_bundle(tmp_path), tmp_path / "none.pem")
