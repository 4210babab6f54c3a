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
from export.publish import Place, publish_at
from schemas.errors import TrainingDataError
from schemas.model.calibration import Calibration
from schemas.model.evaluation import Evaluation
from schemas.model.manifest import GOLDEN, GRAPH, WEIGHTS
from schemas.model.provenance import Adoption
from schemas.model.trial import CalibratedNetwork
from trainer.films.dataset import described as in_words
from trainer.films.dataset import labelled
from trainer.films.duplicates import NEAR_DUPLICATE, mark_copies
from trainer.films.film import Film, FilmIndex, data_sha256
from trainer.films.leaks import close_leaks
from trainer.films.sources import index_films
from trainer.judging.calibrate import calibrate
from trainer.judging.evaluate import evaluate
from trainer.judging.subgroups import attributes_of
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


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a calibration has to reach, as in `trainer.config.RunConfig`."""

    target_sensitivity: float
    alpha: float


@dataclass(frozen=True, slots=True)
class _ScoredFilms:
    """Films of one purpose with the logits that the network gives them."""

    purpose: str
    """`validation` or `test`."""
    films: tuple[Film, ...]
    labels: NDArray[np.int64]  # [V]
    logits: NDArray[np.float32]  # [V, K]


def adopt_network(
    network: ForeignNetwork, folder: FilmFolder, decisions: Decisions, place: Place, *, command: str
) -> Path:
    """Calibrate a network that was trained elsewhere, and publish it; returns the directory of the bundle.

    Args:
        network: the file and its description.
        folder: labelled films.
        decisions: what the calibration has to reach.
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
    validation, test = _scored(run, index, folder.cache, description)
    calibration = _calibration(validation, description, decisions)
    record = CalibratedNetwork(
        architecture=description.timm or network.graph.stem,
        classes=description.classes,
        negative_class=description.negative_class,
        preprocess=description.preprocess,
        calibration=calibration,
        validation=_evaluation(validation, description, calibration),
        test=None if test is None else _evaluation(test, description, calibration),
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
    index = index_films(folder.path, cache=folder.cache)
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


def _scored(
    run: Run, index: FilmIndex, cache: Path, description: NetworkDescription
) -> tuple[_ScoredFilms, _ScoredFilms | None]:
    """The films that decide and, where there are any, those that judge."""
    deciding = _deciding(index, index.root)
    judging = tuple(film for film in index.films if film.split == "test")
    _refuse_leaks(replace(index, films=(*deciding, *judging)), cache)
    prepared = labelled(deciding, description.classes, description.preprocess, cache)
    check_batches(run, prepared.films, len(description.classes))
    validation = _ScoredFilms("validation", deciding, prepared.labels, _logits_of(run, prepared.films))
    if not judging:
        return validation, None
    held_out = labelled(judging, description.classes, description.preprocess, cache)
    return validation, _ScoredFilms("test", judging, held_out.labels, _logits_of(run, held_out.films))


def _calibration(scored: _ScoredFilms, description: NetworkDescription, decisions: Decisions) -> Calibration:
    return calibrate(
        scored.logits,
        scored.labels,
        classes=description.classes,
        negative_class=description.negative_class,
        target_sensitivity=decisions.target_sensitivity,
        alpha=decisions.alpha,
        data=in_words(scored.purpose, scored.films),
    )


def _evaluation(scored: _ScoredFilms, description: NetworkDescription, calibration: Calibration) -> Evaluation:
    return evaluate(
        scored.logits,
        scored.labels,
        [film.patient for film in scored.films],
        calibration,
        description.classes,
        description.negative_class,
        data=scored.purpose,
        data_sha256=data_sha256(scored.films),
        attributes=attributes_of(scored.films),
    )


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
