"""Somebody's own ONNX file becomes a bundle: wired, calibrated on labelled films, and judged on films that decided nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.export import describe, free_place
from export.gates.parity import MAX_BATCH, run_in_batches
from export.golden import make_golden, pack
from export.graph.foreign import Wiring, check_batches, read_graph, wire
from export.graph.weights import checked_weights
from export.manifest import documents, make_manifest
from export.publish import point_to, publish
from export.session import Graph, Run
from schemas.bundle import GOLDEN, GRAPH, WEIGHTS, GraphContract, sha256_of
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from schemas.provenance import Adoption
from schemas.torch_network import TorchNetwork
from schemas.trial import CalibratedNetwork
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
    """What its owner says about a network."""

    graph: Path
    classes: tuple[str, ...]
    negative_class: str | None
    preprocess: PreprocessSpec
    wiring: Wiring
    torch: TorchNetwork | None
    weights: Path | None
    """A safetensors file, where `torch` says how the network is built."""


def adopt(  # noqa: PLR0913 - one argument for each option of the command
    network: ForeignNetwork,
    films: Path,
    options: JudgeOptions,
    *,
    cache: Path,
    name: str,
    version: str,
    out: Path,
    make_current: bool,
    command: str,
) -> Path:
    """Calibrate a network and publish it as `out/name/version`.

    Args:
        network: what its owner says.
        films: labelled ones, in any layout that the trainer reads. Those of a folder `val`, or all where there is none,
            decide; those of a folder `test` judge; those of a folder `train` are left alone.
        options: what the calibration has to reach.
        cache: where prepared films are kept.
        name: of the bundle, for people.
        version: not yet taken.
        out: the models directory.
        make_current: let `out/current` name this bundle.
        command: what the user typed, for the record.

    Raises:
        BundleError: the graph cannot be wired, the weights are not the graph's, or the place is taken.
        TrainingDataError: the films are of other classes, none may decide, or a patient or a copy decides and judges.
    """
    destination = free_place(out, name, version)
    model = read_graph(network.graph)
    index = _index(films, network, cache)
    raw = Graph(_wired(model, network, 1.0, {})).run
    record = _calibrated(raw, network, index, options, cache, command, _parameters(model))
    content = _wired(model, network, record.calibration.temperature, describe(record))
    run = Graph(content).run
    golden = make_golden(run, network.preprocess, len(network.classes))
    files = {GRAPH: content, GOLDEN: pack(golden)}
    if network.torch is not None and network.weights is not None:
        files[WEIGHTS] = checked_weights(network.torch, network.weights, golden["inputs"], golden["logits"])
    manifest = make_manifest(record, _contract(network, model), network.torch, files, name=name, version=version)
    publish({**files, **documents(manifest)}, destination)
    if make_current:
        point_to(destination)
    return destination


def _index(films: Path, network: ForeignNetwork, cache: Path) -> FilmIndex:
    index = index_films(DataOptions(path=str(films), cache=str(cache)))
    if set(index.classes) != set(network.classes):
        msg = (
            f"the films are of {', '.join(index.classes)} and the network of {', '.join(network.classes)}; name the folders "
            "as --classes does, in any order"
        )
        raise TrainingDataError(msg)
    return index


def _deciding(index: FilmIndex, source: Path) -> tuple[Film, ...]:
    for split in ("val", None):
        if found := tuple(film for film in index.films if film.split == split):
            return found
    msg = (
        f"{source.name} has no validation films: calibration needs at least 50 labelled films that the network was not "
        "trained on; give a folder val/<class>/, or one of such films alone, <class>/"
    )
    raise TrainingDataError(msg)


def _refuse_leaks(index: FilmIndex, cache: Path) -> None:
    """The gate of training: no patient and no copy of a film both decides and judges."""
    close_leaks(mark_copies(index, cache, threshold=NEAR_DUPLICATE, skip_unreadable=False))


def _wired(model: onnx.ModelProto, network: ForeignNetwork, temperature: float, metadata: Mapping[str, str]) -> bytes:
    classes = len(network.classes)
    size = network.preprocess.size
    wired = wire(model, network.wiring, classes=classes, size=size, temperature=temperature, metadata=metadata)
    content: bytes = wired.SerializeToString()
    return content


def _calibrated(  # noqa: PLR0913, PLR0917 - what a calibration is a function of
    run: Run,
    network: ForeignNetwork,
    index: FilmIndex,
    options: JudgeOptions,
    cache: Path,
    command: str,
    parameters: int,
) -> CalibratedNetwork:
    deciding = _deciding(index, index.root)
    task = Task(network.classes, network.negative_class)
    judging = tuple(film for film in index.films if film.split == "test")
    _refuse_leaks(replace(index, films=(*deciding, *judging)), cache)
    prepared = labelled(deciding, task, network.preprocess, cache)
    check_batches(run, prepared.films, len(task.classes))
    answers = LabelledLogits.of("validation", deciding, prepared.labels, _logits_of(run, prepared.films))
    calibration, validation = judge_validation(answers, task, options)
    test = None
    if judging:
        held_out = labelled(judging, task, network.preprocess, cache)
        answers = LabelledLogits.of("test", judging, held_out.labels, _logits_of(run, held_out.films))
        test = evaluate(answers, task, calibration)
    return CalibratedNetwork(
        architecture=network.torch.timm_name if network.torch else network.graph.stem,
        classes=task.classes,
        negative_class=task.negative_class,
        preprocess=network.preprocess,
        calibration=calibration,
        validation=validation,
        test=test,
        provenance=Adoption(
            command=command,
            git_commit=git_commit(),
            adopted_at=datetime.now(UTC),
            source=f"{network.graph.name} sha256:{sha256_of(network.graph)}",
            data=index.root.name,
            data_sha256=index.data_sha256,
            parameters=parameters,
            libraries=library_versions(),
        ),
    )


def _logits_of(run: Run, films: NDArray[np.float32]) -> NDArray[np.float32]:
    return run_in_batches(run, np.asarray(films), np.full(len(films), -1, np.int64), 16)["logits"]


def _parameters(model: onnx.ModelProto) -> int:
    """Values of the graph's weights, as far as they are numbers with a fraction."""
    kinds = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
    return sum(int(np.prod(entry.dims)) for entry in model.graph.initializer if entry.data_type in kinds)


def _contract(network: ForeignNetwork, model: onnx.ModelProto) -> GraphContract:
    layer = None if network.torch is None else network.torch.cam_layer or "forward_features"
    return GraphContract(
        opset=max(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}),
        embedding_size=len(network.classes),
        cam_layer=layer or "none",
        cam_grid=None,
        max_batch=MAX_BATCH,
    )
