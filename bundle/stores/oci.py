"""A set of bundles in an OCI registry: one artifact, or an index of artifacts; read, and pushed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Final

from bundle.reading import LARGEST_MANIFEST
from bundle.stores.address import OciReference
from bundle.stores.artifact import (
    CURRENT_BUNDLE,
    INDEX_TYPE,
    MANIFEST_TYPE,
    OciDocument,
    check_layers,
    digest_of,
    parse_document,
    signature_records,
)
from bundle.stores.client import RegistryClient
from bundle.stores.source import MOST_BUNDLES, Listing, StoredBundle, StoreOptions, check_set, stated_bundle
from schemas.errors import BundleError
from schemas.model.manifest import MANIFEST

ACCEPT: Final = f"{INDEX_TYPE}, {MANIFEST_TYPE}"

Lookup = Callable[[str, int], bytes]
"""The bytes of a digest, of a bounded size; their hash is right."""


class OciSource:
    """A reference; a digest in it is the root of a chain of hashes that ends at each file."""

    def __init__(self, reference: OciReference, options: StoreOptions) -> None:
        """Ask nothing yet.

        Raises:
            StoreRefusedError: the certificates of the options cannot be read.
        """
        self._reference = reference
        self._client = RegistryClient(reference, options)

    @property
    def address(self) -> str:
        """As the operator wrote it."""
        return str(self._reference)

    def close(self) -> None:
        """See `Source.close`."""
        self._client.close()

    def look(self, known: Listing | None) -> Listing:
        """See `Source.look`; of a digest that is known already nothing is asked, for it never moves."""
        pinned = self._reference.digest
        if known is not None and pinned == f"sha256:{known.revision}":
            return known
        digest = pinned or self._client.digest_of(self._reference.wanted, ACCEPT)
        if known is not None and digest == f"sha256:{known.revision}":
            return known
        root = self._client.document(self._reference.wanted, ACCEPT)
        if pinned is not None:
            require_digest(root, pinned, self._client.where)
        documents = {} if known is None else dict(known.documents)
        documents[sha256(root).hexdigest()] = _text(root, self._client.where)

        def lookup(wanted: str, largest: int) -> bytes:
            name = wanted.removeprefix("sha256:")
            if name not in documents:
                documents[name] = _text(self._download(wanted, largest), self._client.where)
            return documents[name].encode()

        return self._listing(sha256(root).hexdigest(), lookup)

    def recall(self, listing: Listing) -> Listing:
        """See `Source.recall`: every document is hashed again, from the digest of the address on."""
        where = f"the cache of {self.address}"
        root = self._reference.digest or f"sha256:{listing.revision}"

        def lookup(wanted: str, _largest: int) -> bytes:
            text = listing.documents.get(wanted.removeprefix("sha256:"))
            if text is None:
                msg = f"{where} lacks the document {wanted[:19]}; it is fetched anew"
                raise BundleError(msg)
            require_digest(text.encode(), wanted, where)
            return text.encode()

        return self._listing(root.removeprefix("sha256:"), lookup)

    def read(self, bundle: StoredBundle, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """See `Source.read`."""
        return self._client.blob(f"sha256:{bundle.files[name].sha256}")

    def _download(self, digest: str, largest: int) -> bytes:
        if largest == LARGEST_MANIFEST:  # a bundle's manifest, which is a blob as every file
            with self._client.blob(digest) as pieces:
                content = _bounded(pieces, largest, self._client.where)
        else:
            content = self._client.document(digest, ACCEPT)
        require_digest(content, digest, self._client.where)
        return content

    def _listing(self, revision: str, lookup: Lookup) -> Listing:
        used: dict[str, str] = {}

        def noted(digest: str, largest: int) -> bytes:
            content = lookup(digest, largest)
            used[digest.removeprefix("sha256:")] = content.decode()
            return content

        where = self._client.where
        root = parse_document(noted(f"sha256:{revision}", 0), where)
        if len(root.manifests) > MOST_BUNDLES:
            msg = f"{where} is an index of {len(root.manifests)} manifests, at most {MOST_BUNDLES} are read"
            raise BundleError(msg)
        artifacts = [parse_document(noted(each.digest, 0), where) for each in root.manifests] or [root]
        bundles = tuple(_bundle(artifact, noted, where) for artifact in artifacts)
        check_set(bundles, where)
        current = root.annotations.get(CURRENT_BUNDLE) or (bundles[0].address if len(bundles) == 1 else None)
        return Listing(revision=revision, current=current, bundles=bundles, documents=used)


def _bundle(artifact: OciDocument, lookup: Lookup, where: str) -> StoredBundle:
    layer = artifact.files().get(MANIFEST)
    if layer is None:
        msg = f"{where}: the artifact has no layer with the title {MANIFEST}; push it with `python -m export push`"
        raise BundleError(msg)
    bundle = stated_bundle(lookup(layer.digest, LARGEST_MANIFEST), signature_records(artifact), where)
    check_layers(artifact, bundle, where)
    return bundle


def _bounded(pieces: Iterator[bytes], largest: int, where: str) -> bytes:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > largest:
            msg = f"{where}: {MANIFEST} has over {largest} bytes; this is not a bundle"
            raise BundleError(msg)
    return bytes(content)


def require_digest(content: bytes, digest: str, where: str) -> None:
    """Refuse bytes of another digest.

    Raises:
        BundleError: they are others.
    """
    if digest_of(content) != digest:
        msg = (
            f"{where}: what came for {digest[:19]} has the digest {digest_of(content)[:19]}; the registry or what lies "
            "between altered it: nothing of it is used"
        )
        raise BundleError(msg)


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        msg = f"{where}: a document is not UTF-8; push the bundle again"
        raise BundleError(msg) from error
