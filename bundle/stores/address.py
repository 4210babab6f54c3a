"""Addresses of stores: `oci://host/repository:tag`, `s3://bucket/prefix` and its kin."""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NoReturn

from schemas.errors import SettingsError

OCI: Final = "oci"
BUCKETS: Final = ("s3", "gs", "az")

_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_REPOSITORY: Final = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


@dataclass(frozen=True, slots=True)
class OciReference:
    """One artifact, or one index of artifacts, in a registry. Source: OCI distribution-spec 1.1."""

    host: str
    """With the port, if it is stated."""
    repository: str
    tag: str | None
    digest: str | None
    """`sha256:…`; it never moves, and goes before the tag."""

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{OCI}://{self.host}/{self.repository}{tag}{digest}"

    @property
    def wanted(self) -> str:
        """What a registry is asked for."""
        return self.digest or self.tag or ""  # `parse_address` gives one of the two


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A models directory below a prefix of an object store: NAME/VERSION/FILE, and `current`."""

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


StoreAddress = OciReference | BucketAddress


def is_address(text: str) -> bool:
    """Whether a text names a store and not a folder."""
    return "://" in text


def parse_address(text: str) -> StoreAddress:
    """The address that a text states.

    Raises:
        SettingsError: it states none, or holds a login.
    """
    scheme, _, rest = text.partition("://")
    if "@" in rest.partition("/")[0]:
        msg = (
            "the address of the store holds a login, which would stand in logs; leave it out, and give it by docker's "
            "config.json (oci://) or by the variables of the provider"
        )
        raise SettingsError(msg)
    if scheme == OCI:
        return _oci(text, rest)
    if scheme in BUCKETS:
        return _bucket(text, scheme, rest)
    others = ", ".join(f"{each}://" for each in BUCKETS)
    return _refuse(text, f"begins with {scheme}://; give oci://, {others} or a folder")


def _oci(text: str, rest: str) -> OciReference:
    host, _, path = rest.partition("/")
    path, at, digest = path.partition("@")
    repository, colon, tag = path.partition(":")
    if not _HOST.fullmatch(host) or not _REPOSITORY.fullmatch(repository):
        _refuse(text, "must be oci://HOST[:PORT]/REPOSITORY:TAG, the repository in small letters")
    if at and not _DIGEST.fullmatch(digest):
        _refuse(text, "has a digest that is not sha256: and 64 hexadecimal digits; copy the one that push printed")
    if colon and not _TAG.fullmatch(tag):
        _refuse(text, "has a tag that is not 1 to 128 letters, digits, dots, hyphens and underscores")
    if not (at or colon):
        _refuse(text, "names neither a tag nor a digest; add :TAG or @sha256:…, as `latest` is never assumed")
    return OciReference(host, repository, tag or None, digest or None)


def _bucket(text: str, scheme: str, rest: str) -> BucketAddress:
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if "@" in prefix:
        _refuse(text, "has a digest, which buckets do not know; leave it out, and sign bundles (CXR_TRUSTED_KEYS_FILE)")
    parts = prefix.split("/")
    if not _BUCKET.fullmatch(bucket) or (prefix and not _PREFIX.fullmatch(prefix)) or {".", ".."} & set(parts):
        _refuse(text, f"must be {scheme}://BUCKET/PREFIX of letters, digits, dots, hyphens and underscores")
    return BucketAddress(scheme, bucket, prefix)


def _refuse(text: str, rule: str) -> NoReturn:
    msg = f"{text[:200]} {rule}"
    raise SettingsError(msg)


def cache_folder(cache: Path, address: str) -> Path:
    """The folder of one store in the cache; a name that people recognise, and no two stores share."""
    words = "".join(letter if letter.isalnum() else "-" for letter in address.partition("@")[0])[:60]
    return cache / f"{words}-{sha256(address.encode()).hexdigest()[:12]}"
