"""The manifest of a bundle, and the cards that are made from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from export.card.card import render_card
from export.card.card_json import render_card_json
from export.place import Place
from schemas.errors import BundleError
from schemas.model.guide import Trait
from schemas.model.manifest import MANIFEST, MODEL_CARD, MODEL_CARD_JSON, BundleManifest, FileRecord, GraphContract
from schemas.model.torch_network import TorchNetwork
from schemas.model.trial import CalibratedNetwork

INTENDED_USE = (
    "Research, teaching and technical evaluation. Given one frontal chest radiograph, the network estimates how "
    "probable each of its classes is among films like those that it was trained on, for readers who look at the film "
    "themselves."
)

_SHARED = (
    "architecture",
    "classes",
    "negative_class",
    "activation",
    "guide",
    "population",
    "looking",
    "preprocess",
    "calibration",
    "provenance",
)
"""Fields that a record and a manifest have in common."""


def describe(record: CalibratedNetwork | BundleManifest) -> dict[str, str]:
    """The metadata of the ONNX file: enough for a client that has nothing else to answer as the service does."""
    described = {
        "format_version": str(BundleManifest.model_fields["format_version"].default),
        "architecture": record.architecture,
        "classes": TypeAdapter(tuple[str, ...]).dump_json(record.classes).decode(),
        "negative_class": record.negative_class or "",
        "preprocess": record.preprocess.model_dump_json(),
        "calibration": record.calibration.model_dump_json(),
    }
    if record.activation != "softmax":
        described["activation"] = record.activation
    if record.guide is not None:
        described["traits"] = TypeAdapter(tuple[Trait, ...]).dump_json(record.guide.traits).decode()
    return described


def make_manifest(
    record: CalibratedNetwork,
    graph: GraphContract,
    place: Place,
    files: Mapping[str, bytes],
    torch: TorchNetwork | None,
) -> BundleManifest:
    """The manifest, whose entries for the cards are those of empty files until the cards are rendered from it.

    Args:
        record: classes, calibration, figures and provenance.
        graph: its sizes.
        place: name and version.
        files: content by name, without the cards.
        torch: how torch builds the network, where the files hold its weights.

    Raises:
        BundleError: the record contradicts itself.
    """
    try:
        return BundleManifest(
            name=place.name,
            version=place.version,
            created_at=datetime.now(UTC),
            **{name: getattr(record, name) for name in _SHARED},
            graph=graph,
            torch=torch,
            evaluation=(record.validation, *filter(None, [record.test])),
            intended_use=INTENDED_USE,
            files=_file_records({**files, MODEL_CARD: b"", MODEL_CARD_JSON: b""}),
        )
    except ValidationError as error:
        msg = f"a bundle cannot be made of the trial's record: {error.errors()[0]['msg']}; train and calibrate again"
        raise BundleError(msg) from error


def documents(draft: BundleManifest) -> dict[str, bytes]:
    """The cards, and the manifest that states their hashes, of a manifest that states none yet."""
    cards = {MODEL_CARD: render_card(draft).encode(), MODEL_CARD_JSON: render_card_json(draft).encode()}
    manifest = draft.model_copy(update={"files": {**draft.files, **_file_records(cards)}})
    return {**cards, MANIFEST: (manifest.model_dump_json(indent=2) + "\n").encode()}


def _file_records(files: Mapping[str, bytes]) -> dict[str, FileRecord]:
    return {
        name: FileRecord(sha256=sha256(content).hexdigest(), size_bytes=len(content)) for name, content in files.items()
    }
