"""A bundle as an OCI artifact in the form of ModelPack: documents from files, and files from documents.

The same bundle gives the same bytes, and so the same digest, on every machine: nothing in them is of today.
Source: OCI image-spec 1.1 (manifest, index), CNCF ModelPack model-spec v1 (media types, config), ORAS (titles).
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.stores.source import SIGNATURES, StoredBundle
from schemas.errors import BundleError
from schemas.model.manifest import MANIFEST, BundleManifest, FileRecord

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
ARTIFACT_TYPE: Final = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.cncf.model.config.v1+json"
WEIGHT_TYPE: Final = "application/vnd.cncf.model.weight.v1.raw"
WEIGHT_CONFIG_TYPE: Final = "application/vnd.cncf.model.weight.config.v1.raw"
DOC_TYPE: Final = "application/vnd.cncf.model.doc.v1.raw"
TITLE: Final = "org.opencontainers.image.title"
VERSION: Final = "org.opencontainers.image.version"
CREATED: Final = "org.opencontainers.image.created"
FILE_PATH: Final = "org.cncf.model.filepath"
FILE_METADATA: Final = "org.cncf.model.file.metadata+json"
CURRENT_BUNDLE: Final = "cxr-classifier.current"
"""Annotation of an index: `name/version`, as in the file `current` of a models directory."""

_TYPES: Final = ((".onnx", WEIGHT_TYPE), (".safetensors", WEIGHT_TYPE), ("MODEL_CARD.md", DOC_TYPE))


class Descriptor(BaseModel):
    """What points to a document or a file; fields of others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    media_type: str = Field(alias="mediaType")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    size: int = Field(ge=0)
    annotations: Mapping[str, str] = Field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The digest without the name of its algorithm."""
        return self.digest.removeprefix("sha256:")

    @property
    def title(self) -> str | None:
        """The name of a file."""
        return self.annotations.get(TITLE) or self.annotations.get(FILE_PATH)


class OciDocument(BaseModel):
    """A manifest (it has layers) or an index (it has manifests)."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    annotations: Mapping[str, str] = Field(default_factory=dict)

    def files(self) -> Mapping[str, Descriptor]:
        """Layers by the names of their files; what is not a file of a bundle has none."""
        return {layer.title: layer for layer in self.layers if layer.title is not None}


def parse_document(content: bytes, where: str) -> OciDocument:
    """A manifest or an index.

    Raises:
        BundleError: it is neither.
    """
    try:
        return OciDocument.model_validate(json.loads(content))
    except (ValidationError, ValueError, RecursionError) as error:
        msg = f"{where} is not an OCI manifest or index; push the bundle again with `python -m export push`"
        raise BundleError(msg) from error


def signature_records(document: OciDocument) -> dict[str, FileRecord]:
    """The signatures among the layers of a manifest."""
    files = document.files()
    return {
        name: FileRecord(sha256=files[name].sha256, size_bytes=files[name].size) for name in SIGNATURES if name in files
    }


def check_layers(document: OciDocument, bundle: StoredBundle, where: str) -> None:
    """Whether a manifest of OCI carries the files that the bundle's own manifest lists.

    Raises:
        BundleError: a file is missing, or has another digest.
    """
    files = document.files()
    for name, record in bundle.files.items():
        layer = files.get(name)
        if layer is None:
            msg = f"{where}: the artifact has no layer with the title {name}; push the bundle again"
            raise BundleError(msg)
        if layer.sha256 != record.sha256:
            msg = (
                f"{where}: the layer {name} has the digest {layer.digest[:19]}…, {MANIFEST} states sha256 "
                f"{record.sha256[:12]}…; push the bundle again"
            )
            raise BundleError(msg)


def artifact_documents(bundle: StoredBundle, manifest: BundleManifest) -> tuple[bytes, bytes]:
    """The config of ModelPack and the manifest of OCI for a bundle."""
    names = sorted(bundle.files)
    created = manifest.created_at.isoformat()
    config = canonical(
        {
            "descriptor": {
                "createdAt": created,
                "name": bundle.name,
                "version": bundle.version,
                "title": f"{bundle.name} {bundle.version}",
            },
            "config": {
                "architecture": manifest.architecture,
                "format": "onnx",
                "capabilities": {"inputTypes": ["image"], "outputTypes": ["other"]},
            },
            "modelfs": {"type": "layers", "diffIds": [f"sha256:{bundle.files[name].sha256}" for name in names]},
        }
    )
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": descriptor(CONFIG_TYPE, config),
        "layers": [_layer(name, bundle.files[name]) for name in names],
        "annotations": {CREATED: created, TITLE: bundle.name, VERSION: bundle.version},
    }
    return config, canonical(document)


def index_document(manifests: Mapping[str, bytes], current: str | None) -> bytes:
    """The index of a set of bundles.

    Args:
        manifests: of OCI, by `name/version`.
        current: the one that serves where nothing else is chosen.
    """
    entries = []
    for address in sorted(manifests):
        name, _, version = address.partition("/")
        entry = descriptor(MANIFEST_TYPE, manifests[address])
        entries.append({**entry, "artifactType": ARTIFACT_TYPE, "annotations": {TITLE: name, VERSION: version}})
    document = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "artifactType": ARTIFACT_TYPE, "manifests": entries}
    return canonical(document if current is None else {**document, "annotations": {CURRENT_BUNDLE: current}})


def descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    """What points to these bytes."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def digest_of(content: bytes) -> str:
    """`sha256:…` of these bytes."""
    return f"sha256:{sha256(content).hexdigest()}"


def canonical(document: Mapping[str, Any]) -> bytes:
    """JSON whose bytes depend on the content alone."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _layer(name: str, record: FileRecord) -> dict[str, Any]:
    media_type = next((kind for ending, kind in _TYPES if name.endswith(ending)), WEIGHT_CONFIG_TYPE)
    # Owner, mode and time are constants: ModelPack asks for them, and those of a disk would make other digests.
    metadata = {
        "name": name,
        "mode": 0o644,
        "uid": 0,
        "gid": 0,
        "size": record.size_bytes,
        "mtime": "1970-01-01T00:00:00Z",
        "typeflag": ord("0"),
    }
    return {
        "mediaType": media_type,
        "digest": f"sha256:{record.sha256}",
        "size": record.size_bytes,
        "annotations": {TITLE: name, FILE_PATH: name, FILE_METADATA: canonical(metadata).decode()},
    }
