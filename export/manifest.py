"""The manifest of a bundle, and the cards that are made from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from pydantic import ValidationError

from export.card.card import render_card
from export.card.card_json import render_card_json
from schemas.errors import BundleError
from schemas.model.manifest import MANIFEST, MODEL_CARD, MODEL_CARD_JSON, BundleManifest, FileRecord, GraphContract
from schemas.model.torch_network import TorchNetwork
from schemas.model.trial import CalibratedNetwork

INTENDED_USE = (
    "Research, teaching and technical evaluation. Given one frontal chest radiograph, the network estimates how probable "
    "each of its classes is among films like those that it was trained on, for readers who look at the film themselves."
)


def make_manifest(  # noqa: PLR0913 - what a manifest is made from
    record: CalibratedNetwork,
    graph: GraphContract,
    described: TorchNetwork | None,
    files: Mapping[str, bytes],
    *,
    name: str,
    version: str,
) -> BundleManifest:
    """The manifest, whose entries for the cards are those of empty files until the cards are rendered from it."""
    try:
        return BundleManifest(
            name=name,
            version=version,
            created_at=datetime.now(UTC),
            architecture=record.architecture,
            classes=record.classes,
            negative_class=record.negative_class,
            preprocess=record.preprocess,
            graph=graph,
            torch=described,
            calibration=record.calibration,
            evaluation=(record.validation, *([] if record.test is None else [record.test])),
            provenance=record.provenance,
            intended_use=INTENDED_USE,
            files={
                file: _file_record(content)
                for file, content in {**files, MODEL_CARD: b"", MODEL_CARD_JSON: b""}.items()
            },
        )
    except ValidationError as error:
        msg = f"the trial's record makes no bundle: {error.errors()[0]['msg']}; train and calibrate again"
        raise BundleError(msg) from error


def documents(draft: BundleManifest) -> dict[str, bytes]:
    """The cards, and the manifest that states their hashes, of a manifest that states none yet."""
    cards = {MODEL_CARD: render_card(draft).encode(), MODEL_CARD_JSON: render_card_json(draft).encode()}
    records = {name: _file_record(content) for name, content in cards.items()}
    manifest = draft.model_copy(update={"files": {**draft.files, **records}})
    return {**cards, MANIFEST: (manifest.model_dump_json(indent=2) + "\n").encode()}


def _file_record(content: bytes) -> FileRecord:
    return FileRecord(sha256=sha256(content).hexdigest(), size_bytes=len(content))
