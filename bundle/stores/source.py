"""What a store offers: a set of bundles, each file with its hash; and what every kind of store can do."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.opening import LARGEST_BUNDLE, MOST_FILES
from bundle.signature import SIGNATURE
from schemas.errors import BundleError, CxrError, UnavailableError
from schemas.model.manifest import MANIFEST, BundleName, FileName, FileRecord
from schemas.record import Record, Sha256

OPENSSF_SIGNATURE: Final = "model.sig"
"""Of OpenSSF model-signing; nothing here reads it, so it travels along."""
SIGNATURES: Final = (SIGNATURE, OPENSSF_SIGNATURE)
"""Files of a bundle that its manifest cannot list."""
LARGEST_SIGNATURE: Final = 256 * 1024
MOST_BUNDLES: Final = 32
"""Of one set: each is downloaded, and takes its room in the cache."""


class StoreUnavailableError(UnavailableError, code="store_unavailable", retry_after_s=30):
    """The registry or object store of bundles gave no answer, or one that may be different later; it is asked again."""


class StoreRefusedError(CxrError, code="store_refused"):
    """The registry or object store of bundles refuses what it is asked: login, address, certificate or rights."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How stores are reached."""

    timeout_s: float = 10.0
    """For a connection, and for the next bytes of an answer."""
    ca_file: Path | None = None
    """Certificates that vouch for the store, in addition to those of the system."""
    allow_http: bool = False
    """Plain HTTP instead of TLS."""
    attempts: int = 3
    """At a request, where the store gives no answer or cannot answer now."""


class StoredBundle(Record):
    """One bundle of a store."""

    name: BundleName
    version: BundleName
    files: Mapping[FileName, FileRecord] = Field(description="all of its files, the manifest and signatures among them")

    @property
    def address(self) -> str:
        """`name/version`."""
        return f"{self.name}/{self.version}"

    @property
    def sha256(self) -> str:
        """Hash of the manifest: the identity of a bundle."""
        return self.files[MANIFEST].sha256

    @property
    def content_id(self) -> Sha256:
        """Of the files and their contents: another signature is another content of the same bundle."""
        lines = [f"{self.files[name].sha256}  {name}\n" for name in sorted(self.files)]
        return sha256("".join(lines).encode()).hexdigest()


class Listing(Record):
    """The bundles of a store at one moment."""

    revision: Sha256 = Field(description="changes with anything that the store offers; of OCI: the digest")
    current: str | None = Field(description="`name/version` that serves where nothing else is chosen")
    bundles: tuple[StoredBundle, ...]
    documents: Mapping[Sha256, str] = Field(description="texts that prove the rest, by their hashes")


class Source(Protocol):
    """A store that offers bundles."""

    @property
    def address(self) -> str:
        """As the operator wrote it; it holds no secret."""

    def look(self, known: Listing | None) -> Listing:
        """Ask the store what it offers.

        Args:
            known: what it offered before; what did not change is not read again.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the store will not answer this.
            BundleError: what it offers is not a set of bundles.
        """

    def close(self) -> None:
        """Close connections; they are opened again where they are needed."""

    def recall(self, listing: Listing) -> Listing:
        """What a cache remembers of this store, checked as far as the address proves anything.

        Raises:
            BundleError: it is not what this address names.
        """

    def read(self, bundle: StoredBundle, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """The content of a file in pieces, not yet compared with its hash.

        Raises:
            StoreUnavailableError: there was no answer, or it broke off.
            StoreRefusedError: the store will not answer this.
        """


class _StatedFiles(BaseModel):
    """What of a bundle's manifest is needed to copy it; a manifest of a newer format is copied too."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: BundleName
    version: BundleName
    files: Mapping[FileName, FileRecord] = Field(max_length=MOST_FILES)
    """By names that become paths before any signature is checked."""


def stated_bundle(manifest: bytes, signatures: Mapping[str, FileRecord], where: str) -> StoredBundle:
    """The bundle that the bytes of a manifest describe.

    Args:
        manifest: content of manifest.json.
        signatures: files beside it that it cannot list.
        where: it was found, for messages.

    Raises:
        BundleError: they describe none.
    """
    try:
        stated = _StatedFiles.model_validate(json.loads(manifest))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        part = ".".join(str(step) for step in first["loc"])[:100]  # of a stranger: a name may be long, or hold anything
        msg = f"{where}: {MANIFEST} does not describe a bundle: {part!r}: {first['msg']}; push the bundle again"
        raise BundleError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{where}: {MANIFEST} is not JSON; push the bundle again"
        raise BundleError(msg) from error
    size = sum(record.size_bytes for record in stated.files.values())
    if size > LARGEST_BUNDLE:
        msg = f"{where}: {MANIFEST} states {size} bytes in all, at most {LARGEST_BUNDLE} are read"
        raise BundleError(msg)
    own = FileRecord(sha256=sha256(manifest).hexdigest(), size_bytes=len(manifest))
    files = {**stated.files, **signatures, MANIFEST: own}
    return StoredBundle(name=stated.name, version=stated.version, files=files)


def check_set(bundles: tuple[StoredBundle, ...], where: str) -> None:
    """Whether bundles can lie in one models directory.

    Raises:
        BundleError: there are too many, none, or two of one name and version.
    """
    if not 0 < len(bundles) <= MOST_BUNDLES:
        msg = (
            f"{where} offers {len(bundles)} bundles, 1 to {MOST_BUNDLES} are copied; push a bundle, or name a smaller "
            "set (another tag, a longer prefix)"
        )
        raise BundleError(msg)
    addresses = [bundle.address for bundle in bundles]
    if repeated := sorted({each for each in addresses if addresses.count(each) > 1}):
        msg = f"{where} offers {repeated[0]} more than once; push the set again"
        raise BundleError(msg)
