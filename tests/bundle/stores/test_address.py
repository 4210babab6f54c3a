"""Rules of the addresses of stores."""

import pytest

from bundle.stores.address import BucketAddress, OciReference, parse_address
from schemas.errors import SettingsError

DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("oci://registry.local/cxr/bundles:stable", ("registry.local", "cxr/bundles", "stable", None)),
        ("oci://localhost:5000/cxr:1.0.0", ("localhost:5000", "cxr", "1.0.0", None)),
        (f"oci://r/cxr@{DIGEST}", ("r", "cxr", None, DIGEST)),
        (f"oci://[::1]:5000/a/b__c/d:v1@{DIGEST}", ("[::1]:5000", "a/b__c/d", "v1", DIGEST)),
    ],
)
def test_references_have_a_tag_or_a_digest(text, parts) -> None:
    reference = parse_address(text)

    assert reference == OciReference(*parts)
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://bucket/hospital/models", ("s3", "bucket", "hospital/models")),
        ("gs://bucket", ("gs", "bucket", "")),
        ("az://container/models/", ("az", "container", "models")),
    ],
)
def test_buckets_have_a_prefix_or_none(text, parts) -> None:
    address = parse_address(text)

    assert address == BucketAddress(*parts)
    assert str(address) == text.rstrip("/")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("oci://registry/cxr", "neither a tag nor a digest"),
        ("oci://registry", "must be oci://HOST"),
        ("oci://registry/CXR:1", "in small letters"),
        ("oci://registry/../etc:1", "must be oci://HOST"),
        ("oci://registry/cxr@sha256:12", "64 hexadecimal digits"),
        ("oci://registry/cxr:-x", "has a tag"),
        (f"s3://bucket/models@{DIGEST}", "which buckets do not know"),
        ("s3://bucket/a/../b", "must be s3://BUCKET"),
        ("s3://bucket//b", "must be s3://BUCKET"),
        ("ftp://host/models", "give oci://"),
        ("oci://user:secret@registry/cxr:1", "holds a login"),
    ],
)
def test_what_is_not_an_address_is_refused_with_its_rule(text, rule) -> None:
    with pytest.raises(SettingsError, match=rule) as refusal:
        parse_address(text)

    assert "secret" not in str(refusal.value)
