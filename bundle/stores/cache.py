"""Whole bundles under the hash of their contents, brought from a store and checked again before they are shown."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from bundle.files import sync_directory, whole_file
from bundle.opening import Bundle, open_bundle
from bundle.reading import LARGEST_FILE, regular_file
from bundle.stores.source import Source, StoredBundle, StoreUnavailableError
from schemas.errors import BundleError

UNFINISHED: Final = ".unfinished-"
"""Begins the names of what a killed process leaves; nobody reads such."""
_PIECE: Final = 1024 * 1024

Stamp = tuple[tuple[str, int, int, int, int], ...]


@dataclass(slots=True)
class Changes:
    """What a synchronisation did, in `name/version`."""

    fetched: list[str] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)
    """Their content was not what their hashes say: a disk's fault, or somebody's work."""
    is_new: bool = False
    """Whether another set is shown than before."""


class BundleCache:
    """The folder `bundles` of a store's cache.

    Invariant: what lies at the place of a bundle was whole and right when it was put there.
    """

    def __init__(self, folder: Path, source: Source, stopped: Callable[[], bool]) -> None:
        self._folder = folder
        self._source = source
        self._stopped = stopped
        self._sound: dict[str, Stamp] = {}

    def place(self, bundle: StoredBundle) -> Path:
        """Where a bundle lies, or would."""
        # The last part is the version, as in every models directory: messages name it.
        return self._folder / "bundles" / bundle.content_id / bundle.version

    def ensure(self, bundle: StoredBundle, changes: Changes) -> None:
        """Fetch a bundle that is missing, or is not what it was; whole or not at all.

        Raises:
            StoreUnavailableError: there was no answer, it broke off, or the service ends.
            StoreRefusedError: the store refuses.
            BundleError: what came is not what is stated.
            OSError: the disk refuses.
        """
        place = self.place(bundle)
        if place.exists():
            try:
                self.check(bundle)
            except (BundleError, OSError):
                changes.discarded.append(bundle.address)
                self._discard(place.parent)
            else:
                return
        staging = self._folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        try:
            (staging / bundle.version).mkdir(parents=True)
            for name in bundle.files:
                self._fetch(bundle, name, staging / bundle.version / name)
            _require_same(open_bundle(staging / bundle.version), bundle, self._source.address)
            place.parent.parent.mkdir(exist_ok=True)
            staging.rename(place.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        sync_directory(place.parent)
        sync_directory(place.parent.parent)
        self._sound[bundle.content_id] = _stamp(place)
        changes.fetched.append(bundle.address)

    def check(self, bundle: StoredBundle) -> None:
        """Whether a bundle of the cache is sound; files that did not change since are not hashed again.

        Raises:
            BundleError: it is not.
            OSError: it cannot be read.
        """
        place = self.place(bundle)
        stamp = _stamp(place)
        if self._sound.get(bundle.content_id) == stamp:
            return
        if {entry[0] for entry in stamp} != set(bundle.files):
            msg = f"{bundle.address} in the cache has other files; it is fetched anew"
            raise BundleError(msg)
        for name, record in bundle.files.items():
            with regular_file(place / name, LARGEST_FILE) as stream:
                content = sha256()
                while piece := stream.read(_PIECE):
                    content.update(piece)
            if content.hexdigest() != record.sha256:
                msg = f"{bundle.address}/{name} in the cache was altered; it is fetched anew"
                raise BundleError(msg)
        _require_same(open_bundle(place), bundle, self._source.address)
        self._sound[bundle.content_id] = stamp

    def _fetch(self, bundle: StoredBundle, name: str, path: Path) -> None:
        record = bundle.files[name]
        where = f"{self._source.address}: {bundle.address}/{name}"
        digest = sha256()
        size = 0
        with whole_file(path) as target, self._source.read(bundle, name) as pieces:
            for piece in pieces:
                if self._stopped():
                    msg = f"{where} is not fetched: the service ends"
                    raise StoreUnavailableError(msg)
                size += len(piece)
                if size > min(record.size_bytes, LARGEST_FILE):
                    break
                digest.update(piece)
                target.write(piece)
        if size != record.size_bytes or digest.hexdigest() != record.sha256:
            msg = (
                f"{where} came with {size} bytes and sha256 {digest.hexdigest()[:12]}…, and {record.size_bytes} with "
                f"{record.sha256[:12]}… are stated: the store or what lies between altered it; push the bundle again"
            )
            raise BundleError(msg)

    def _discard(self, folder: Path) -> None:
        """Out of the way first, in one step: a reader finds nothing rather than a part."""
        aside = self._folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        folder.rename(aside)
        remove(aside)


def _stamp(folder: Path) -> Stamp:
    states = [(path.name, path.lstat()) for path in sorted(folder.iterdir())]
    return tuple((name, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino) for name, at in states)


def _require_same(bundle: Bundle, expected: StoredBundle, where: str) -> None:
    own = f"{bundle.manifest.name}/{bundle.manifest.version}"
    if own != expected.address or bundle.sha256 != expected.sha256:
        msg = f"{where}: the bundle that came calls itself {own}, not {expected.address}; push it again"
        raise BundleError(msg)


def remove(path: Path) -> None:
    """Remove a link, a file or a folder, or what is left of it."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
