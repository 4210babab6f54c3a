"""Signatures of bundles in the format of OpenSSF model-signing, for those who verify every model in that way.

The service reads `manifest.sig` alone (docs/adr/0032).
Source: OpenSSF Model Signing v1.0 (in-toto predicate `https://model_signing/signature/v1.0`), DSSE 1.0 (envelope, and
what is signed), sigstore bundle v0.3.
"""

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bundle.files import write_whole
from bundle.opening import Bundle, open_bundle
from bundle.signature import SIGNATURE
from bundle.stores.source import OPENSSF_SIGNATURE
from schemas.errors import BundleError, SigningKeyError
from schemas.model.manifest import MANIFEST

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_HASHES: Final = {256: SHA256(), 384: SHA384(), 521: SHA512()}
"""By the bits of the curve: P-256, P-384, P-521; model-signing knows no others for keys."""
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_MAKE: Final = "openssl ecparam -name prime256v1 -genkey -noout -out FILE"


def sign_for_openssf(directory: Path, key_file: Path) -> str:
    """Write `model.sig` over every file of a sound bundle, but for the signatures.

    Args:
        directory: of the bundle.
        key_file: private key on P-256, P-384 or P-521 as unencrypted PEM.

    Returns:
        The id of the key.

    Raises:
        BundleError: a file is missing or altered, or the signature cannot be written.
        SigningKeyError: the key cannot be read, or is of another kind.
    """
    key = _read_key(key_file)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key_id = sha256(public).hexdigest()
    content = _envelope(_statement(open_bundle(directory)), key, key_id)
    try:
        write_whole(directory / OPENSSF_SIGNATURE, content)
    except OSError as error:
        msg = f"{OPENSSF_SIGNATURE} cannot be written next to {MANIFEST} ({error.strerror}); correct that, sign again"
        raise BundleError(msg) from error
    return key_id


def _statement(bundle: Bundle) -> bytes:
    digests = {name: record.sha256 for name, record in bundle.manifest.files.items()} | {MANIFEST: bundle.sha256}
    resources = [{"name": name, "algorithm": "sha256", "digest": digests[name]} for name in sorted(digests)]
    whole = sha256(b"".join(bytes.fromhex(each["digest"]) for each in resources)).hexdigest()
    serialization = {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": False,
        # Either signature may be made anew without the other.
        "ignore_paths": [OPENSSF_SIGNATURE, SIGNATURE],
    }
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": bundle.directory.resolve().name, "digest": {"sha256": whole}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"serialization": serialization, "resources": resources},
    }
    return json.dumps(statement, indent=2).encode()


def _envelope(statement: bytes, key: ec.EllipticCurvePrivateKey, key_id: str) -> bytes:
    # What DSSE signs: its version, and the type and the payload with their lengths.
    signed = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(statement)} ".encode() + statement
    signature = key.sign(signed, ec.ECDSA(_HASHES[key.curve.key_size]))
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": key_id}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(statement).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode("ascii"), "keyid": ""}],
        },
    }
    return json.dumps(bundle).encode()


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); make a key with `{_MAKE}`"
        raise SigningKeyError(msg) from error
    except (ValueError, TypeError) as error:
        msg = f"{path} does not hold a private key without a password (PEM); make one with `{_MAKE}`"
        raise SigningKeyError(msg) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _CURVES:
        msg = f"{path} holds a key of another kind; model-signing takes P-256, P-384 and P-521: `{_MAKE}`"
        raise SigningKeyError(msg)
    return key
