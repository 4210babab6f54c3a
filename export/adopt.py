"""An ONNX file that was trained elsewhere becomes a bundle: wired, calibrated on labelled films, tested on others."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from bundle.files import sha256_of
from bundle.golden import make_golden, pack
from bundle.session import MOST_PROBABLE, Run, Session, run_in_batches
from export.description import NetworkDescription
from export.gates.batches import check_batches
from export.gates.parity import MAX_BATCH
from export.graph.contract import graph_contract
from export.graph.foreign import read_graph, wire
from export.graph.weights import checked_weights
from export.manifest import describe, documents, make_manifest
from export.place import Place
from export.publish import publish_at
from schemas.errors import TrainingDataError
from schemas.model.manifest import GOLDEN, GRAPH, WEIGHTS
from schemas.model.provenance import Adoption
from schemas.model.trial import CalibratedNetwork
from schemas.preprocess import PreprocessSpec
from trainer.films.duplicates import mark_copies
from trainer.films.film import Film, FilmIndex
from trainer.films.leaks import close_leaks
from trainer.films.options import NEAR_DUPLICATE, DataOptions
from trainer.films.sources.find import index_films
from trainer.films.task import Task, labelled
from trainer.judging.evaluate import evaluate
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions
from trainer.judging.validation import judge_validation
from trainer.trials.provenance import git_commit, library_versions


@dataclass(frozen=True, slots=True)
class ForeignNetwork:
    """A network that was trained elsewhere."""

    graph: Path
    description: NetworkDescription


@dataclass(frozen=True, slots=True)
class FilmFolder:
    """Labelled films, in any layout that the trainer reads.

    Those of a folder `val`, or all where there is none, decide; those of a folder `test` judge; those of a folder
    `train` are left alone.
    """

    path: Path
    cache: Path
    """Where prepared films are kept."""


def adopt_network(
    network: ForeignNetwork, folder: FilmFolder, judge: JudgeOptions, place: Place, *, command: str
) -> Path:
    """Calibrate a network that was trained elsewhere, and publish it; returns the directory of the bundle.

    Args:
        network: the file and its description.
        folder: labelled films.
        judge: what the calibration has to reach.
        place: not yet taken.
        command: what the user typed, for the record.

    Raises:
        BundleError: the graph cannot be wired, the weights are not the graph's, or the place is taken.
        TrainingDataError: the films are of other classes, none may decide, or a patient or a copy decides and judges.
    """
    place.require_free()
    description = network.description
    model = read_graph(network.graph)
    index = _index(folder, description)
    run = Session(wire(model, description, temperature=1.0, metadata={}).SerializeToString()).run
    task = Task(description.classes, description.negative_class)
    deciding, judging = _answers(run, index, folder.cache, task, description.preprocess)
    calibration, validation = judge_validation(deciding, task, judge)
    record = CalibratedNetwork(
        architecture=description.timm or network.graph.stem,
        classes=task.classes,
        negative_class=task.negative_class,
        preprocess=description.preprocess,
        calibration=calibration,
        validation=validation,
        test=None if judging is None else evaluate(judging, task, calibration),
        provenance=_provenance(network, index, model, command),
    )
    wired = wire(model, description, temperature=calibration.temperature, metadata=describe(record))
    files = _files(wired, description)
    contract = graph_contract(wired, cam_layer=description.explained_layer, max_batch=MAX_BATCH)
    manifest = make_manifest(record, contract, place, files, description.torch)
    return publish_at(place, {**files, **documents(manifest)})


def _files(wired: onnx.ModelProto, description: NetworkDescription) -> dict[str, bytes]:
    content = wired.SerializeToString()
    golden = make_golden(Session(content).run, description.preprocess, len(description.classes))
    files = {GRAPH: content, GOLDEN: pack(golden)}
    if description.torch is not None and description.weights is not None:
        files[WEIGHTS] = checked_weights(description.torch, description.weights, golden["inputs"], golden["logits"])
    return files


def _index(folder: FilmFolder, description: NetworkDescription) -> FilmIndex:
    index = index_films(DataOptions(path=str(folder.path), cache=str(folder.cache)))
    if set(index.classes) != set(description.classes):
        msg = (
            f"the films are of {', '.join(index.classes)} and the network of {', '.join(description.classes)}; name "
            "the folders as --classes does, in any order"
        )
        raise TrainingDataError(msg)
    return index


def _deciding(index: FilmIndex, source: Path) -> tuple[Film, ...]:
    for split in ("val", None):
        if films := tuple(film for film in index.films if film.split == split):
            return films
    msg = (
        f"{source.name} has no validation films: calibration needs at least 50 labelled films that the network was not "
        "trained on; give a folder val/<class>/, or one of such films alone, <class>/"
    )
    raise TrainingDataError(msg)


def _refuse_leaks(index: FilmIndex, cache: Path) -> None:
    """Apply the gate of training: no patient and no copy of a film may both decide and judge."""
    close_leaks(mark_copies(index, cache, threshold=NEAR_DUPLICATE, skip_unreadable=False))


def _answers(
    run: Run, index: FilmIndex, cache: Path, task: Task, spec: PreprocessSpec
) -> tuple[LabelledLogits, LabelledLogits | None]:
    """Logits of the films that decide and, where there are any, of those that judge."""
    deciding = _deciding(index, index.root)
    judging = tuple(film for film in index.films if film.split == "test")
    _refuse_leaks(replace(index, films=(*deciding, *judging)), cache)
    prepared = labelled(deciding, task, spec, cache)
    check_batches(run, prepared.films, len(task.classes))
    validation = LabelledLogits.of("validation", deciding, prepared.labels, _logits_of(run, prepared.films))
    if not judging:
        return validation, None
    held_out = labelled(judging, task, spec, cache)
    return validation, LabelledLogits.of("test", judging, held_out.labels, _logits_of(run, held_out.films))


def _provenance(network: ForeignNetwork, index: FilmIndex, model: onnx.ModelProto, command: str) -> Adoption:
    return Adoption(
        command=command,
        git_commit=git_commit(),
        adopted_at=datetime.now(UTC),
        source=f"{network.graph.name} sha256:{sha256_of(network.graph)}",
        data=index.root.name,
        data_sha256=index.data_sha256,
        parameters=_parameters(model),
        libraries=library_versions(),
    )


def _logits_of(run: Run, films: NDArray[np.float32]) -> NDArray[np.float32]:
    return run_in_batches(run, np.asarray(films), np.full(len(films), MOST_PROBABLE, np.int64), 16)["logits"]


def _parameters(model: onnx.ModelProto) -> int:
    """The number of floating-point values among the graph's weights."""
    kinds = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
    return sum(int(np.prod(entry.dims)) for entry in model.graph.initializer if entry.data_type in kinds)
