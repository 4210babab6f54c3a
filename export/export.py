"""A trained network becomes a bundle: exported, proven, described and published."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from bundle.golden import Arrays, make_golden, pack
from bundle.session import Session
from export.card.mistakes import find_mistakes
from export.drift import drift_reference
from export.gates.answers import ValidationSet
from export.gates.comparison import Yardstick
from export.gates.parity import MAX_BATCH, ParityReport, check_parity, run_in_batches
from export.gates.precision import Attempt, attempt
from export.graph.graph import OPSET, export_graph
from export.graph.weights import torch_network
from export.manifest import documents, make_manifest
from export.publish import point_to, publish
from schemas.errors import BundleError
from schemas.model.manifest import GOLDEN, GRAPH, STATISTICS, WEIGHTS, BundleManifest, BundleName, GraphContract
from schemas.model.mistakes import FilmReference
from schemas.model.precision import PrecisionRecord, ReducedPrecision
from schemas.model.trial import CalibratedNetwork, TrialRecord
from trainer.networks.network import Network


class Trial(Protocol):
    """What a bundle is made from; `trainer.trials.trial.TrainedTrial` is one."""

    @property
    def record(self) -> TrialRecord:
        """What training left behind."""
        ...

    @property
    def network(self) -> Network:
        """On the CPU, in eval mode, with the weights of the best epoch."""
        ...

    @property
    def statistics(self) -> Mapping[str, NDArray[Any]] | None:
        """The arrays of `schemas.model.calibration.OutOfDistribution`."""
        ...

    def inputs(self, split: Literal["train", "val"]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Prepared films [V, 1, S, S] and labels [V]."""
        ...

    def patients(self, split: Literal["train", "val"]) -> NDArray[np.str_]:
        """Who each of these films is of, [V]."""
        ...

    def references(self, split: Literal["train", "val"]) -> tuple[FilmReference, ...]:
        """How somebody who holds the data finds each of these films."""
        ...


def write_bundle(  # noqa: PLR0913 - one argument for each option of the command
    trial: Trial,
    *,
    name: str,
    version: str,
    out: Path,
    make_current: bool,
    precisions: Sequence[ReducedPrecision] = (),
    with_weights: bool = False,
    about_films: str | None = None,
    on_parity: Callable[[ParityReport], None] = lambda _report: None,
    on_precision: Callable[[PrecisionRecord], None] = lambda _record: None,
) -> Path:
    """Export a trained network, prove it, and publish it as `out/name/version`.

    Nothing is visible below `out` until the bundle has passed the parity gate on the validation films, its hashes
    and its golden set; then one rename shows it. A reduced precision that fails its gate is left out, and said so.

    Args:
        trial: the network with its record and films.
        name: of the bundle, for people.
        version: not yet taken.
        out: the models directory.
        make_current: let `out/current` name this bundle.
        precisions: which to try beside fp32.
        with_weights: put the weights beside the graph, for the service's torch backend; the bundle is twice as large.
        about_films: what the card says of the films, Markdown without headings: source, licence, population.
        on_parity: is told what the parity gate measured.
        on_precision: is told of each reduced precision that was tried.

    Returns:
        The directory of the bundle.

    Raises:
        BundleError: the version exists, name or version is no plain name, the bundle fails its own check, or weights
            are wanted of a network that timm alone does not build.
        ParityError: the graph does not compute what the network computes.
    """
    destination = free_place(out, name, version)
    record = trial.record
    described, weights = torch_network(record.architecture, trial.network) if with_weights else (None, b"")
    model = export_graph(
        trial.network,
        size=record.preprocess.size,
        temperature=record.calibration.temperature,
        metadata=describe(record),
    )
    content = model.SerializeToString()
    run = Session(content).run
    validation = ValidationSet(*trial.inputs("val"), trial.patients("val"), trial.statistics)
    on_parity(check_parity(trial.network, run, record, validation.films, validation.labels))
    golden = make_golden(run, record.preprocess, len(record.classes))
    attempts = _reduce(trial, validation, model, golden, precisions)
    files = {
        GRAPH: content,
        GOLDEN: pack(golden),
        **({} if trial.statistics is None else {STATISTICS: pack(trial.statistics)}),
        **({} if described is None else {WEIGHTS: weights}),
    }
    for tried in attempts:
        on_precision(tried.record)
        files |= tried.files
    contract = _contract(trial.network.cam_layer, model)
    outputs = run_in_batches(run, validation.films, np.zeros(len(validation.films), np.int64), MAX_BATCH)
    manifest = make_manifest(record, contract, described, files, name=name, version=version).model_copy(
        update={
            "about_films": about_films,
            "precisions": tuple(tried.record for tried in attempts),
            "drift_reference": drift_reference(outputs["probabilities"], validation.films, record),
            "mistakes": find_mistakes(run, outputs, validation, trial.references("val"), record),
        }
    )
    publish({**files, **documents(manifest)}, destination)
    if make_current:
        point_to(destination)
    return destination


def describe(record: CalibratedNetwork) -> dict[str, str]:
    """What the ONNX file says about itself: enough for a client that has nothing else to answer as the service does."""
    return {
        "format_version": str(BundleManifest.model_fields["format_version"].default),
        "architecture": record.architecture,
        "classes": TypeAdapter(tuple[str, ...]).dump_json(record.classes).decode(),
        "negative_class": record.negative_class or "",
        "preprocess": record.preprocess.model_dump_json(),
        "calibration": record.calibration.model_dump_json(),
    }


def _reduce(
    trial: Trial,
    validation: ValidationSet,
    model: onnx.ModelProto,
    golden: Arrays,
    precisions: Sequence[ReducedPrecision],
) -> tuple[Attempt, ...]:
    if not precisions:
        return ()
    yardstick = Yardstick(model.SerializeToString(), trial.record, validation)
    training_films, _ = trial.inputs("train")
    return tuple(attempt(precision, model, training_films, yardstick, golden) for precision in precisions)


def free_place(out: Path, name: str, version: str) -> Path:
    """Where a new bundle goes.

    Raises:
        BundleError: the version exists, or name or version is no plain name.
    """
    for what, value in (("name", name), ("version", version)):
        try:
            TypeAdapter(BundleName).validate_python(value)
        except ValidationError as error:
            msg = f"the {what} {value!r} must be 1 to 64 of a-z 0-9 . _ - and start with a letter or digit; choose another"
            raise BundleError(msg) from error
    destination = out / name / version
    if destination.exists():
        msg = f"{name}/{version} exists and a published bundle never changes; choose a new version"
        raise BundleError(msg)
    return destination


def _contract(cam_layer: str, model: onnx.ModelProto) -> GraphContract:
    shapes = {
        output.name: [size.dim_value for size in output.type.tensor_type.shape.dim] for output in model.graph.output
    }
    _, rows, columns = shapes["gradcam"]
    return GraphContract(
        opset=OPSET,
        embedding_size=shapes["embedding"][1],
        cam_layer=cam_layer,
        cam_grid=(rows, columns),
        max_batch=MAX_BATCH,
    )
