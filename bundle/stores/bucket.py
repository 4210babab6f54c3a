"""A set of bundles in an object store: a models directory below a prefix."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final

from bundle.reading import LARGEST_LINE, LARGEST_MANIFEST
from bundle.stores.address import BucketAddress
from bundle.stores.object_store import named_faults, open_store
from bundle.stores.source import (
    LARGEST_SIGNATURE,
    SIGNATURES,
    Listing,
    StoredBundle,
    StoreOptions,
    StoreRefusedError,
    check_set,
    stated_bundle,
)
from bundle.versions import is_version
from schemas.errors import BundleError
from schemas.model.manifest import CURRENT, MANIFEST, FileRecord

PIECE: Final = 1024 * 1024
MOST_OBJECTS: Final = 10_000
"""Below a prefix that is a models directory; one that is the root of something else has more."""


class BucketSource:
    """Reads a prefix; a bundle exists from its manifest on, which is written last."""

    def __init__(self, address: BucketAddress, options: StoreOptions) -> None:
        """Ask nothing yet.

        Raises:
            StoreRefusedError: `obstore` is not installed, or the variables of the provider contradict each other.
        """
        self._address = address
        self._store = open_store(address, options)
        self._small: dict[str, tuple[str, bytes]] = {}

    @property
    def address(self) -> str:
        """As the operator wrote it."""
        return str(self._address)

    def close(self) -> None:
        """See `Source.close`: `obstore` closes its connections by itself."""

    def look(self, known: Listing | None) -> Listing:
        """See `Source.look`: one list of the prefix; manifests are read again where their tags (ETag) have changed."""
        states = self._states()
        manifests = [path for path in states if _is_manifest(path)]
        bundles = []
        for path in sorted(manifests):
            content = self._content(path, states[path], LARGEST_MANIFEST)
            folder = path.removesuffix(MANIFEST)
            signatures = {name: self._record(folder + name, states) for name in SIGNATURES if folder + name in states}
            bundle = stated_bundle(content, signatures, f"{self.address}/{path}")
            if f"{bundle.address}/" != folder:
                msg = (
                    f"{self.address}: the bundle at {folder} calls itself {bundle.address}; move it to its own address"
                )
                raise BundleError(msg)
            bundles.append(bundle)
        check_set(tuple(bundles), self.address)
        current = self._current(states)
        lines = [f"{bundle.address} {bundle.content_id}" for bundle in bundles]
        revision = sha256("\n".join([*lines, f"current {current}"]).encode()).hexdigest()
        if known is not None and known.revision == revision:
            return known
        return Listing(revision=revision, current=current, bundles=tuple(bundles), documents={})

    def recall(self, listing: Listing) -> Listing:
        """See `Source.recall`: a prefix proves nothing of its content, so hashes and signatures of bundles do."""
        return listing

    @contextmanager
    def read(self, bundle: StoredBundle, name: str) -> Iterator[Iterator[bytes]]:
        """See `Source.read`."""
        path = f"{bundle.address}/{name}"
        with named_faults(self._address, path):
            result = self._store.get(path)
        yield self._pieces(result, path)

    def _pieces(self, result: Any, path: str) -> Iterator[bytes]:
        with named_faults(self._address, path):
            for piece in result.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    def _states(self) -> dict[str, str]:
        """The tag of every object, by its path below the prefix."""
        states: dict[str, str] = {}
        with named_faults(self._address, ""):
            for page in self._store.list(chunk_size=1000):
                for each in page:
                    states[each["path"]] = f"{each['e_tag']} {each['size']} {each['last_modified'].isoformat()}"
                if len(states) > MOST_OBJECTS:
                    msg = f"{self.address} has over {MOST_OBJECTS} objects; name the prefix that holds NAME/VERSION"
                    raise StoreRefusedError(msg)
        return states

    def _content(self, path: str, state: str, largest: int) -> bytes:
        """Of a small object, read again where its tag has changed."""
        before = self._small.get(path)
        if before is None or before[0] != state:
            with named_faults(self._address, path):
                result = self._store.get(path)
                if result.meta["size"] > largest:
                    msg = f"{self.address}/{path} has {result.meta['size']} bytes, at most {largest} are read"
                    raise BundleError(msg)
                before = self._small[path] = (state, bytes(result.bytes()))
        return before[1]

    def _record(self, path: str, states: Mapping[str, str]) -> FileRecord:
        content = self._content(path, states[path], LARGEST_SIGNATURE)
        return FileRecord(sha256=sha256(content).hexdigest(), size_bytes=len(content))

    def _current(self, states: Mapping[str, str]) -> str | None:
        if CURRENT not in states:
            return None
        return self._content(CURRENT, states[CURRENT], LARGEST_LINE).decode("utf-8", "replace").strip()


def _is_manifest(path: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and parts[2] == MANIFEST and is_version(parts[1])  # noqa: PLR2004 NAME/VERSION/manifest.json
