"""An ONNX file that was trained elsewhere becomes a bundle: wired, calibrated on labelled films, tested on others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from bundle.files import sha256_of
from bundle.golden import make_golden, pack
from bundle.session import MOST_PROBABLE, Run, Session, run_in_batches
from export.adopt.films import AdoptionFilms, FilmFolder, read_films
from export.adopt.owner import read_owner_outputs
from export.adopt.preprocessing import find_way
from export.adopt.ways import Way, stated_way
from export.description import NetworkDescription
from export.gates.batches import check_batches
from export.gates.limits import LEAST_AUROC
from export.gates.parity import MAX_BATCH
from export.gates.worth import Worth, measure_worth, require_worth
from export.graph.contract import graph_contract
from export.graph.foreign import ForeignGraph
from export.graph.reading import read_graph, read_model
from export.graph.weights import checked_weights
from export.manifest import describe, documents, make_manifest
from export.place import Place
from export.publish import publish_at
from schemas.errors import BundleError
from schemas.model.calibration import Calibration
from schemas.model.evaluation import Evaluation
from schemas.model.manifest import GOLDEN, GRAPH, WEIGHTS
from schemas.model.provenance import Adoption
from schemas.model.torch_network import TorchNetwork
from schemas.model.trial import CalibratedNetwork
from schemas.population import Population
from schemas.preprocess import PreprocessSpec
from trainer.films.film import Film
from trainer.films.task import Task, labelled
from trainer.judging.evaluate import evaluate
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions
from trainer.judging.validation import judge_validation
from trainer.trials.provenance import git_commit, library_versions


@dataclass(frozen=True, slots=True)
class ForeignNetwork:
    """A network that was trained elsewhere, and what its owner knows about it."""

    graph: Path
    description: NetworkDescription
    owner_outputs: Path | None = None
    """A CSV of films and the probabilities that the owner's program gives for them."""


@dataclass(frozen=True, slots=True)
class AdoptionTerms:
    """What an adoption has to reach, and who wanted it."""

    judge: JudgeOptions
    """What the calibration has to reach."""
    command: str
    """What the user typed, for the record."""
    least_auroc: float = LEAST_AUROC
    """Where the interval of the AUROC has to begin."""
    reason: str | None = None
    """Why a network that the gate refuses is published all the same."""
    population: Population | None = None
    """Whom it is for; None: not stated."""


class AdoptionReporter(Protocol):
    """Receives what is found out before anything is published."""

    def reading(self, notes: Sequence[str]) -> None:
        """How the graph is fed and read, and what was taken without being stated."""
        ...

    def figures(self, calibration: Calibration, evaluations: Sequence[Evaluation], worth: Worth) -> None:
        """What the network is worth on the labelled films."""
        ...


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the labelled films say of the network."""

    calibration: Calibration
    validation: Evaluation
    test: Evaluation | None
    worth: Worth

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All of them."""
        return (self.validation,) if self.test is None else (self.validation, self.test)


def adopt_network(
    network: ForeignNetwork, folder: FilmFolder, terms: AdoptionTerms, place: Place, reporter: AdoptionReporter
) -> Path:
    """Calibrate a network that was trained elsewhere, and publish it; returns the directory of the bundle.

    Args:
        network: the file and its description.
        folder: labelled films.
        terms: what calibration and network have to reach.
        place: not yet taken.
        reporter: hears of everything before the bundle is published.

    Raises:
        BundleError: the graph cannot be wired, its preprocessing does not agree with its owner's outputs, it is worth
            too little, the weights are not the graph's, or the place is taken.
        TrainingDataError: the films are of other classes, none may decide, or a patient or a copy decides and judges.
    """
    place.require_free()
    description = network.description
    graph = read_graph(read_model(network.graph), description)
    films = read_films(folder, description.classes)
    way, found = _preprocessing(graph, network, folder)
    reporter.reading(notes := (*graph.image.notes, f"films: {way.in_words}", *graph.output.notes, *found))
    wired = graph.wire(way.values, size=way.spec.size, temperature=1.0, metadata={})
    task = Task(description.classes, description.negative_class)
    measured = _measured(Session(wired.SerializeToString()).run, films, task, way.spec, terms)
    reporter.figures(measured.calibration, measured.evaluations, measured.worth)
    require_worth(measured.worth, terms.reason)
    record = CalibratedNetwork(
        architecture=description.timm or network.graph.stem,
        classes=task.classes,
        negative_class=task.negative_class,
        population=terms.population,
        preprocess=way.spec,
        calibration=measured.calibration,
        validation=measured.validation,
        test=measured.test,
        provenance=_provenance(network, films, graph, (notes, measured.worth), terms),
    )
    return _publish(record, graph, way, description, place)


def _publish(
    record: CalibratedNetwork, graph: ForeignGraph, way: Way, description: NetworkDescription, place: Place
) -> Path:
    temperature = record.calibration.temperature
    wired = graph.wire(way.values, size=way.spec.size, temperature=temperature, metadata=describe(record))
    content = wired.SerializeToString()
    golden = make_golden(Session(content).run, way.spec, len(description.classes))
    files = {GRAPH: content, GOLDEN: pack(golden)}
    torch = _torch(graph, way, description)
    if torch is not None and description.weights is not None:
        files[WEIGHTS] = checked_weights(torch, description.weights, golden["inputs"], golden["logits"])
    contract = graph_contract(wired, cam_layer=description.explained_layer, max_batch=MAX_BATCH)
    manifest = make_manifest(record, contract, place, files, torch)
    return publish_at(place, {**files, **documents(manifest)})


def _preprocessing(graph: ForeignGraph, network: ForeignNetwork, folder: FilmFolder) -> tuple[Way, tuple[str, ...]]:
    """The way that the owner's outputs show, or that the description states, and what to say about it."""
    description = network.description
    if network.owner_outputs is not None:
        owner = read_owner_outputs(network.owner_outputs, folder.path, description.classes, description.negative_class)
        found = find_way(graph, description, owner)
        return found.way, found.notes
    way = stated_way(graph, description)
    scaling = {"value_range", "mean", "std"}
    unstated = not description.model_fields_set & scaling and not graph.image.integer
    note = "the scaling of pixels is not stated: 0..1 is taken; --owner-outputs checks it against the owner's answers"
    return way, (note,) if unstated else ()


def _measured(run: Run, films: AdoptionFilms, task: Task, spec: PreprocessSpec, terms: AdoptionTerms) -> _Measured:
    """Calibrate on the films that decide, evaluate on those and, where there are any, on those that judge."""
    prepared = labelled(films.deciding, task, spec, films.cache)
    check_batches(run, prepared.films, len(task.classes))
    outputs = _outputs(run, "validation", films.deciding, prepared.labels, prepared.films)
    calibration, validation = judge_validation(outputs, task, terms.judge)
    if not films.judging:
        worth = measure_worth(outputs, prepared.films, validation, task, least_auroc=terms.least_auroc)
        return _Measured(calibration, validation, None, worth)
    held_out = labelled(films.judging, task, spec, films.cache)
    judged = _outputs(run, "test", films.judging, held_out.labels, held_out.films)
    test = evaluate(judged, task, calibration)
    worth = measure_worth(judged, held_out.films, test, task, least_auroc=terms.least_auroc)
    return _Measured(calibration, validation, test, worth)


def _outputs(
    run: Run, data: str, films: tuple[Film, ...], labels: NDArray[np.int64], prepared: NDArray[np.float32]
) -> LabelledLogits:
    targets = np.full(len(prepared), MOST_PROBABLE, np.int64)
    return LabelledLogits.of(data, films, labels, run_in_batches(run, np.asarray(prepared), targets, 16)["logits"])


def _torch(graph: ForeignGraph, way: Way, description: NetworkDescription) -> TorchNetwork | None:
    """How torch builds the network; None: not described."""
    if description.timm is None:
        return None
    mean, std = way.values.of_unit_films(graph.image.channels)
    if min(std) < 0 or graph.output.single or graph.output.columns is not None or graph.image.integer:
        msg = (
            "heat maps by torch need monochrome2, pixels that are not whole numbers, and a logit for each class; leave "
            "out --timm and --weights"
        )
        raise BundleError(msg)
    return TorchNetwork(timm_name=description.timm, cam_layer=description.cam_layer, mean=mean, std=std)


def _provenance(
    network: ForeignNetwork,
    films: AdoptionFilms,
    graph: ForeignGraph,
    judged: tuple[Sequence[str], Worth],
    terms: AdoptionTerms,
) -> Adoption:
    notes, worth = judged
    return Adoption(
        command=terms.command,
        git_commit=git_commit(),
        adopted_at=datetime.now(UTC),
        source=f"{network.graph.name} sha256:{sha256_of(network.graph)}",
        data=films.index.root.name,
        data_sha256=films.index.data_sha256,
        reading=tuple(notes),
        least_auroc=terms.least_auroc,
        floor_auroc=worth.floor,
        faults=worth.faults,
        reason=terms.reason,
        parameters=_parameters(graph.model),
        libraries=library_versions(),
    )


def _parameters(model: onnx.ModelProto) -> int:
    """The number of floating-point values among the graph's weights."""
    kinds = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
    return sum(int(np.prod(entry.dims)) for entry in model.graph.initializer if entry.data_type in kinds)
