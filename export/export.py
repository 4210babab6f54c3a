"""A trained network becomes a bundle: exported, proven, described and published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from bundle.golden import Arrays, make_golden, pack
from bundle.session import Run, Session, run_in_batches
from export.card.mistakes import find_mistakes
from export.drift import drift_reference
from export.gates.answers import ValidationSet
from export.gates.comparison import Yardstick
from export.gates.parity import MAX_BATCH, ParityReport, check_parity
from export.gates.precision import Attempt, attempt
from export.gates.sanity import check_sanity
from export.graph.contract import graph_contract
from export.graph.graph import export_graph
from export.graph.scaling import FindingScaling
from export.graph.weights import torch_network
from export.manifest import describe, documents, make_manifest
from export.place import Place
from export.publish import publish_at
from schemas.model.manifest import GOLDEN, GRAPH, STATISTICS, WEIGHTS, GraphContract
from schemas.model.mistakes import FilmReference
from schemas.model.precision import PrecisionRecord, ReducedPrecision
from schemas.model.torch_network import TorchNetwork
from schemas.model.trial import TrialRecord
from schemas.population import Population
from trainer.films.task import Labels
from trainer.networks.layercam import fine_layer
from trainer.networks.network import Network


class Trial(Protocol):
    """The input of an export; `trainer.trials.trial.TrainedTrial` is one."""

    @property
    def record(self) -> TrialRecord:
        """The record that training wrote."""
        ...

    @property
    def network(self) -> Network:
        """On the CPU, in eval mode, with the weights of the best epoch."""
        ...

    @property
    def statistics(self) -> Mapping[str, NDArray[Any]] | None:
        """The arrays of `schemas.model.calibration.OutOfDistribution`."""
        ...

    def inputs(self, split: Literal["train", "val"]) -> tuple[NDArray[np.float32], Labels]:
        """Prepared films [V, 1, S, S] and labels [V], or of findings [V, K]."""
        ...

    def patients(self, split: Literal["train", "val"]) -> NDArray[np.str_]:
        """The patient of each of these films, [V]."""
        ...

    def references(self, split: Literal["train", "val"]) -> tuple[FilmReference, ...]:
        """How a holder of the data finds each of these films."""
        ...


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What a bundle holds in addition to the fp32 graph."""

    precisions: Sequence[ReducedPrecision] = ()
    """Which to try; one that fails its gate is left out, and the manifest records why."""
    with_weights: bool = False
    """Add the weights, for the service's torch backend; the bundle becomes twice as large."""
    finer_maps: bool = False
    """Add LayerCAM at an earlier layer to the graph; every answer takes longer, with or without a map."""
    about_films: str | None = None
    """A section of the card about the films, Markdown without headings: source, licence, population."""
    population: Population | None = None
    """Whom it is for; None: as the trial states it."""


class GateReporter(Protocol):
    """Receives the results of the gates as they come."""

    def parity(self, report: ParityReport) -> None:
        """The graph has passed the parity gate."""
        ...

    def precision(self, record: PrecisionRecord) -> None:
        """A reduced precision was kept or refused."""
        ...


class SilentReporter:
    """Shows nothing."""

    def parity(self, report: ParityReport) -> None:
        """Show nothing."""

    def precision(self, record: PrecisionRecord) -> None:
        """Show nothing."""


_SILENT = SilentReporter()


@dataclass(frozen=True, slots=True)
class _Graph:
    """The exported graph of a trial, proven against torch."""

    model: onnx.ModelProto
    content: bytes
    run: Run
    golden: Arrays
    contract: GraphContract


def write_bundle(
    trial: Trial,
    place: Place,
    options: ExportOptions = ExportOptions(),
    reporter: GateReporter = _SILENT,
) -> Path:
    """Export a trained network, prove it, and publish it; returns the directory of the bundle.

    Nothing is visible at the place until the bundle has passed the parity gate on the validation films and its
    self-test.

    Args:
        trial: the network with its record and films.
        place: not yet taken.
        options: what else the bundle holds.
        reporter: receives the results of the gates.

    Raises:
        BundleError: see `Place.require_free`, `publish_at` and, where weights are requested, `torch_network`.
        ParityError: the graph does not compute what the network computes.
        SanityError: the heat maps do not depend on what the network has learned.
    """
    place.require_free()
    described, weights = _torch(trial) if options.with_weights else (None, {})
    validation = ValidationSet(*trial.inputs("val"), trial.patients("val"), trial.statistics)
    graph = _proven_graph(trial, validation, reporter, options)
    attempts = _reduce(trial, validation, graph, options.precisions)
    files = _files(trial, graph) | weights
    for each in attempts:
        reporter.precision(each.record)
        files |= each.files
    stated = trial.record.model_copy(update={"population": options.population or trial.record.population})
    manifest = make_manifest(stated, graph.contract, place, files, described).model_copy(
        update={
            "about_films": options.about_films,
            "precisions": tuple(each.record for each in attempts),
            **_measured_on_validation(trial, validation, graph.run),
        }
    )
    return publish_at(place, {**files, **documents(manifest)})


def _files(trial: Trial, graph: _Graph) -> dict[str, bytes]:
    files = {GRAPH: graph.content, GOLDEN: pack(graph.golden)}
    if trial.statistics is not None:
        files[STATISTICS] = pack(trial.statistics)
    return files


def _torch(trial: Trial) -> tuple[TorchNetwork, dict[str, bytes]]:
    described, weights = torch_network(trial.record.architecture, trial.network, trial.record.preprocess.size)
    return described, {WEIGHTS: weights}


def _proven_graph(trial: Trial, validation: ValidationSet, reporter: GateReporter, options: ExportOptions) -> _Graph:
    record = trial.record
    layer = fine_layer(trial.network, record.preprocess.size) if options.finer_maps else None
    model = export_graph(
        trial.network,
        size=record.preprocess.size,
        temperature=record.calibration.temperature,
        scaling=FindingScaling.of(record),
        metadata=describe(record),
        finer_maps=options.finer_maps,
    )
    content = model.SerializeToString()
    run = Session(content).run
    reporter.parity(check_parity(trial.network, run, record, validation.films, validation.labels))
    golden = make_golden(run, record.preprocess, len(record.classes))
    contract = graph_contract(model, cam_layer=trial.network.cam_layer, max_batch=MAX_BATCH, fine_layer=layer)
    return _Graph(model, content, run, golden, contract)


def _measured_on_validation(trial: Trial, validation: ValidationSet, run: Run) -> dict[str, Any]:
    """Fields of the manifest that the network's and the exported graph's outputs for validation films give."""
    sanity = check_sanity(trial.network, validation.films, validation.patients)
    outputs = run_in_batches(run, validation.films, np.zeros(len(validation.films), np.int64), MAX_BATCH)
    return {
        "drift_reference": drift_reference(outputs["probabilities"], validation.films, trial.record),
        "map_sanity": () if sanity is None else (sanity,),
        "mistakes": find_mistakes(run, outputs, validation, trial.references("val"), trial.record),
    }


def _reduce(
    trial: Trial, validation: ValidationSet, graph: _Graph, precisions: Sequence[ReducedPrecision]
) -> tuple[Attempt, ...]:
    if not precisions:
        return ()
    yardstick = Yardstick(graph.content, trial.record, validation)
    training_films, _ = trial.inputs("train")
    return tuple(attempt(precision, graph.model, training_films, yardstick, graph.golden) for precision in precisions)
