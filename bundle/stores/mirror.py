"""The cache: a verified copy of what a store offers, as a models directory that changes in one step.

    FOLDER/bundles/<content id>/<version>/…     whole bundles, each under the hash of its contents
    FOLDER/views/<revision>-…/NAME/VERSION      links to them, `current`, and listing.json
    FOLDER/view                                 a link to the view that is read

It knows no service: whoever calls it decides when to ask the store, and what to do where there is no answer.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from bundle.files import sync_directory, write_whole
from bundle.opening import Bundle
from bundle.reading import read_regular
from bundle.stores.cache import UNFINISHED, BundleCache, Changes, remove
from bundle.stores.source import Listing, Source
from schemas.errors import BundleError
from schemas.model.manifest import CURRENT

LISTING: Final = "listing.json"
LARGEST_LISTING: Final = 256 * 1024 * 1024
"""Manifests of `MOST_BUNDLES` bundles, and what points to them."""
KEPT_BUNDLES: Final = 4
"""That the store does not offer any longer: the one that serves may be among them, and its model card is read."""
KEPT_VIEWS: Final = 2
"""The one that is read, and the one before it: a reader may be in the middle of it."""


class Mirror:
    """One store's folder.

    Invariant: the view that is read holds bundles alone whose every file had its hash when this process saw it last;
    where that cannot be shown, there is no view. Processes that share the folder change it one after another.
    """

    def __init__(self, folder: Path, source: Source, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Touch nothing yet.

        Args:
            folder: of this store alone; see `cache_folder`.
            source: the store.
            stopped: asked between two pieces; whether a download is given up.
        """
        self._folder = folder
        self._source = source
        self._cache = BundleCache(folder, source, stopped)
        self._listing: Listing | None = None

    @property
    def view(self) -> Path:
        """The models directory."""
        return self._folder / "view"

    @property
    def listing(self) -> Listing | None:
        """What is shown; None where nothing is."""
        return self._listing

    def recall(self) -> Listing | None:
        """Show what the cache holds, after every hash was computed again; None, and no view, where it does not hold.

        Raises:
            OSError: the disk refuses.
        """
        with self._alone():
            try:
                content = read_regular(self.view / LISTING, LARGEST_LISTING)
                listing = self._source.recall(Listing.model_validate_json(content))
                for bundle in listing.bundles:
                    self._cache.check(bundle)
            except (OSError, ValidationError, BundleError):
                self.view.unlink(missing_ok=True)
                return None
            self._show(listing)  # links and `current` are written again: nothing proves those that are there
        return listing

    def synchronise(self) -> Changes:
        """Ask the store, bring what is missing or spoilt, and show the set: the whole one, or the one before.

        Raises:
            StoreUnavailableError: there was no answer; what was shown is shown.
            StoreRefusedError: the store refuses; the same.
            BundleError: what the store offers is not sound; the same.
            OSError: the disk refuses; the same.
        """
        changes = Changes()
        with self._alone(), closing(self._source):  # the next look may be an hour away
            listing = self._source.look(self._listing)
            for bundle in listing.bundles:
                self._cache.ensure(bundle, changes)
            if listing != self._listing or changes.discarded or not self.view.exists():
                changes.is_new = listing != self._listing
                self._show(listing)
                self._forget()
        return changes

    def check(self, bundle: Bundle) -> None:
        """Refuse a bundle that is not the one which the store offers under its name.

        Raises:
            BundleError: it was put into the cache by somebody else.
        """
        listed = () if self._listing is None else self._listing.bundles
        own = f"{bundle.manifest.name}/{bundle.manifest.version}"
        if not any(each.address == own and each.sha256 == bundle.sha256 for each in listed):
            msg = f"{own} in the cache is not what {self._source.address} offers; it is fetched anew"
            raise BundleError(msg)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left in [*self._folder.glob(f"{UNFINISHED}*"), *self._folder.glob(f"*/{UNFINISHED}*")]:
                remove(left)  # a killed process left it
            yield
        finally:
            os.close(descriptor)

    def _show(self, listing: Listing) -> None:
        """Let `view` name a new folder with this set."""
        views = self._folder / "views"
        staging = views / f"{UNFINISHED}{secrets.token_hex(8)}"
        staging.mkdir(parents=True)
        for bundle in listing.bundles:
            link = staging / bundle.name / bundle.version
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(os.path.relpath(self._cache.place(bundle), staging / bundle.name))
            sync_directory(link.parent)
        if listing.current is not None:
            write_whole(staging / CURRENT, f"{listing.current}\n".encode())
        write_whole(staging / LISTING, listing.model_dump_json().encode())
        name = f"{listing.revision[:16]}-{secrets.token_hex(4)}"
        staging.rename(views / name)
        sync_directory(views)
        unfinished = self._folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        unfinished.symlink_to(Path("views", name))
        before, self._listing = self._listing, listing  # first: who finds a bundle in the view asks `check` about it
        try:
            unfinished.replace(self.view)
        except OSError:
            self._listing = before
            raise
        sync_directory(self._folder)

    def _forget(self) -> None:
        """Remove older views, and bundles that no store offers, the oldest first."""
        views = sorted((self._folder / "views").iterdir(), key=lambda path: path.lstat().st_mtime_ns)
        for view in views[:-KEPT_VIEWS]:
            remove(view)
        offered = set() if self._listing is None else {each.content_id for each in self._listing.bundles}
        others = [each for each in (self._folder / "bundles").iterdir() if each.name not in offered]
        for left in sorted(others, key=lambda path: path.lstat().st_mtime_ns)[:-KEPT_BUNDLES]:
            remove(left)
