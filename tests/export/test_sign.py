"""Rules of keys and signatures; what the service makes of them stands in tests/service/models/test_trust.py."""

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typer.testing import CliRunner

from bundle.signature import SIGNATURE, ManifestSignature, key_id_of
from bundle.signing import make_key
from export.__main__ import app
from export.sign import sign_bundle
from schemas.errors import BundleError, SigningKeyError
from schemas.model.manifest import MANIFEST, MODEL_CARD
from tests.service.bundles import write_tiny_bundle


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "models")


def test_the_signature_is_of_the_manifests_bytes(bundle, tmp_path) -> None:
    key_id = make_key(tmp_path / "key")
    sign_bundle(bundle, tmp_path / "key")
    public = load_pem_public_key((tmp_path / "key.pub").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    written = ManifestSignature.model_validate_json((bundle / SIGNATURE).read_bytes())

    public.verify(bytes.fromhex(written.signature), (bundle / MANIFEST).read_bytes())
    assert written.key_id == key_id == key_id_of(public)


def test_a_private_key_is_its_owners_alone_and_is_never_overwritten(tmp_path) -> None:
    make_key(tmp_path / "key")
    content = (tmp_path / "key").read_bytes()

    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SigningKeyError, match="never overwritten"):
        make_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == content


def test_an_altered_bundle_is_not_signed(bundle, tmp_path) -> None:
    make_key(tmp_path / "key")
    (bundle / MODEL_CARD).write_text("better")

    with pytest.raises(BundleError, match=r"MODEL_CARD\.md"):
        sign_bundle(bundle, tmp_path / "key")
    assert not (bundle / SIGNATURE).exists()


@pytest.mark.parametrize("content", [None, b"no key", "public"])
def test_a_key_that_cannot_sign_is_refused_with_the_remedy(bundle, tmp_path, content) -> None:
    make_key(tmp_path / "key")
    if content is None:
        (tmp_path / "key").unlink()
    else:
        (tmp_path / "key").write_bytes((tmp_path / "key.pub").read_bytes() if content == "public" else content)

    with pytest.raises(SigningKeyError, match="export keygen"):
        sign_bundle(bundle, tmp_path / "key")


@pytest.mark.process
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(("algorithm", "accepted"), [("ed25519", True), ("ed448", False)])
def test_ed25519_keys_of_other_programs_sign_and_no_others(bundle, tmp_path, algorithm, accepted) -> None:
    command = ["openssl", "genpkey", "-algorithm", algorithm, "-out", str(tmp_path / "key")]
    subprocess.run(command, check=True, capture_output=True)

    if accepted:
        sign_bundle(bundle, tmp_path / "key")
    else:
        with pytest.raises(SigningKeyError, match="another kind"):
            sign_bundle(bundle, tmp_path / "key")
    assert (bundle / SIGNATURE).exists() == accepted


def test_the_commands_make_a_key_and_sign(bundle, tmp_path) -> None:
    made = CliRunner().invoke(app, ["keygen", str(tmp_path / "key")])
    signed = CliRunner().invoke(app, ["sign", "--bundle", str(bundle), "--key", str(tmp_path / "key")])

    assert (made.exit_code, signed.exit_code) == (0, 0)
    assert signed.output.split()[-1] == ManifestSignature.model_validate_json((bundle / SIGNATURE).read_bytes()).key_id
