"""Pushing bundles: one folder, or a whole models directory, to a registry or an object store."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bundle.files import sha256_of
from bundle.opening import Bundle, open_bundle
from bundle.stores.address import BucketAddress, OciReference, StoreAddress
from bundle.stores.artifact import INDEX_TYPE, MANIFEST_TYPE, artifact_documents, digest_of, index_document
from bundle.stores.client import RegistryClient
from bundle.stores.object_store import named_faults, open_store
from bundle.stores.oci import ACCEPT, require_digest
from bundle.stores.source import SIGNATURES, StoredBundle, StoreOptions, check_set
from schemas.errors import BundleError, SettingsError
from schemas.model.manifest import CURRENT, MANIFEST, FileRecord

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Shipment:
    """Bundles that are pushed together; every hash is right."""

    bundles: Mapping[str, tuple[Bundle, StoredBundle]]
    """By `name/version`: as it lies on disk, and its files with their hashes."""
    is_set: bool
    """Whether it is a models directory, which becomes an index in a registry, also with a single bundle."""
    current: str | None
    """`name/version` that serves where nothing else is chosen."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed."""

    addresses: tuple[str, ...]
    """`name/version` of each bundle."""
    reference: str
    """What a service is given: of a registry, pinned by its digest."""


def read_shipment(folder: Path) -> Shipment:
    """The bundle in a folder, or every bundle of a models directory and its `current`.

    Raises:
        BundleError: there is none, one is altered, or `current` names none of them.
    """
    is_set = not (folder / MANIFEST).exists()
    folders = [path.parent for path in sorted(folder.glob(f"*/*/{MANIFEST}"))] if is_set else [folder]
    bundles = {}
    for each in folders:
        bundle = open_bundle(each)
        content = _content(bundle)
        bundles[content.address] = (bundle, content)
    check_set(tuple(content for _, content in bundles.values()), str(folder))
    current = None
    if is_set and (folder / CURRENT).exists():
        current = (folder / CURRENT).read_text(encoding="utf-8").strip()
        if current not in bundles:
            msg = f"the file {CURRENT!r} names {current[:130]}, which is not there; write NAME/VERSION into it"
            raise BundleError(msg)
    return Shipment(bundles, is_set, current)


def push(shipment: Shipment, target: StoreAddress, options: StoreOptions, *, make_current: bool = False) -> Pushed:
    """Store bundles, each whole before it can be found.

    Args:
        shipment: what is pushed.
        target: a tag of a registry, or a prefix of an object store.
        options: how the store is reached.
        make_current: below a prefix, let a single bundle be the one that serves.

    Raises:
        SettingsError: the target names a digest.
        StoreUnavailableError: there was no answer.
        StoreRefusedError: the store refuses.
        BundleError: another bundle is there under a name and version.
    """
    addresses = tuple(sorted(shipment.bundles))
    if isinstance(target, OciReference):
        digest = _push_to_registry(shipment, target, options)
        return Pushed(addresses, str(OciReference(target.host, target.repository, target.tag, digest)))
    current = shipment.current
    if make_current and len(addresses) == 1:
        current = addresses[0]
    _push_to_bucket(shipment, target, options, current)
    return Pushed(addresses, str(target))


def _content(bundle: Bundle) -> StoredBundle:
    manifest = bundle.manifest
    files = dict(manifest.files)
    for name in (MANIFEST, *SIGNATURES):
        path = bundle.directory / name
        if path.exists():
            files[name] = FileRecord(sha256=sha256_of(path), size_bytes=path.stat().st_size)
    return StoredBundle(name=manifest.name, version=manifest.version, files=files)


def _push_to_registry(shipment: Shipment, target: OciReference, options: StoreOptions) -> str:
    """Returns the digest that pins what was pushed."""
    if target.digest is not None or target.tag is None:
        msg = f"{target} names a digest, which follows from the content; push to a tag, and pin the digest it prints"
        raise SettingsError(msg)
    with closing(RegistryClient(target, options, push=True)) as client:
        manifests = {address: _push_files(client, *shipment.bundles[address]) for address in sorted(shipment.bundles)}
        if shipment.is_set:
            for manifest in manifests.values():
                client.put_document(digest_of(manifest), MANIFEST_TYPE, manifest)
            root, media_type = index_document(manifests, shipment.current), INDEX_TYPE
        else:
            (root,), media_type = manifests.values(), MANIFEST_TYPE
        client.put_document(target.tag, media_type, root)
        require_digest(client.document(digest_of(root), ACCEPT), digest_of(root), client.where)
    return digest_of(root)


def _push_files(client: RegistryClient, bundle: Bundle, content: StoredBundle) -> bytes:
    """Returns the manifest of OCI, which points to them."""
    config, manifest = artifact_documents(content, bundle.manifest)
    _push_blob(client, digest_of(config), len(config), lambda: BytesIO(config))
    for name, record in content.files.items():
        _push_blob(client, f"sha256:{record.sha256}", record.size_bytes, partial(_open, bundle.directory / name))
    return manifest


def _push_blob(client: RegistryClient, digest: str, size: int, open_content: Callable[[], BinaryIO]) -> None:
    if not client.has_blob(digest):
        client.upload(digest, size, open_content)


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _push_to_bucket(shipment: Shipment, target: BucketAddress, options: StoreOptions, current: str | None) -> None:
    """Files, then the manifest of each bundle, then `current`."""
    store = open_store(target, options)
    new = {address for address, (_, content) in shipment.bundles.items() if _is_new(store, target, content)}
    for address, (bundle, content) in sorted(shipment.bundles.items()):
        files = [*sorted(content.files.keys() - {MANIFEST}), MANIFEST]
        for name in files if address in new else [each for each in files if each in SIGNATURES]:
            with (bundle.directory / name).open("rb") as stream, named_faults(target, f"{address}/{name}"):
                store.put(f"{address}/{name}", stream)
    if current is not None:
        with named_faults(target, CURRENT):
            store.put(CURRENT, f"{current}\n".encode())


def _is_new(store: "ObjectStore", target: BucketAddress, bundle: StoredBundle) -> bool:
    path = f"{bundle.address}/{MANIFEST}"
    with named_faults(target, path):
        try:
            there = sha256(bytes(store.get(path).bytes())).hexdigest()
        except FileNotFoundError:  # obstore's NotFoundError is one
            return True
    if there != bundle.sha256:
        msg = f"{target}/{path} is of another bundle, and a published bundle never changes; choose a new version"
        raise BundleError(msg)
    return False
