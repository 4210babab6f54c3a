"""From an address to what it names; and one set of bundles brought into a models directory by hand."""

import tempfile
from pathlib import Path

from bundle.files import sync_directory, write_whole
from bundle.opening import open_bundle
from bundle.stores.address import OciReference, parse_address
from bundle.stores.mirror import Mirror
from bundle.stores.source import Source, StoreOptions
from schemas.errors import BundleError
from schemas.model.manifest import CURRENT


def open_source(address: str, options: StoreOptions) -> Source:
    """The store that an address names; nothing is asked yet.

    Raises:
        SettingsError: the address names none.
        StoreRefusedError: a certificate cannot be read, or a package is missing.
    """
    parsed = parse_address(address)
    if isinstance(parsed, OciReference):
        from bundle.stores.oci import OciSource  # with httpx2: a service whose bundles lie on its disk needs neither

        return OciSource(parsed, options)
    from bundle.stores.bucket import BucketSource

    return BucketSource(parsed, options)


def pull_bundles(address: str, options: StoreOptions, out: Path, *, make_current: bool) -> tuple[list[str], str | None]:
    """Copy what a store offers into a models directory, each bundle whole or not at all; none is replaced.

    Args:
        address: of the store.
        options: how it is reached.
        out: the models directory.
        make_current: whether `current` names what the store's does.

    Returns:
        `name/version` of those that are new, and what the store's `current` names.

    Raises:
        StoreUnavailableError: there was no answer.
        StoreRefusedError: the store refuses.
        BundleError: what came is not sound, or another bundle has the same name and version here.
        OSError: the disk refuses.
    """
    source = open_source(address, options)
    out.mkdir(parents=True, exist_ok=True)
    copied = []
    # A name that starts with a dot is not a bundle's name, so no reader of the models directory looks inside.
    with tempfile.TemporaryDirectory(dir=out, prefix=".unpulled-") as scratch:
        mirror = Mirror(Path(scratch), source)
        mirror.synchronise()
        listing = mirror.listing
        assert listing is not None  # noqa: S101 - it was synchronised
        for bundle in listing.bundles:
            place = out / bundle.name / bundle.version
            if place.exists():
                _require_no_other(place, bundle.sha256, bundle.address)
                continue
            place.parent.mkdir(exist_ok=True)
            (mirror.view / bundle.name / bundle.version).resolve().rename(place)
            sync_directory(place.parent)
            copied.append(bundle.address)
    if make_current and listing.current is not None:
        write_whole(out / CURRENT, f"{listing.current}\n".encode())
    return copied, listing.current


def _require_no_other(place: Path, sha256: str, address: str) -> None:
    if open_bundle(place).sha256 != sha256:
        msg = f"{address} is there with another content, and a published bundle never changes; pull into another folder"
        raise BundleError(msg)
