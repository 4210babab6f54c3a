"""A whole bundle around the tiny network, without torch: correct, or spoilt as a test wants it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bundle.files import sha256_of
from imaging.phantom import phantom
from imaging.preprocess import prepare
from imaging.radiograph import Radiograph
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint, OutOfDistribution
from schemas.model.decision import NO_FINDING, softmax
from schemas.model.guide import GuideRecord, Trait
from schemas.model.manifest import (
    GOLDEN,
    GRAPH,
    MANIFEST,
    MODEL_CARD,
    STATISTICS,
    BundleManifest,
    FileRecord,
    GraphContract,
)
from schemas.model.precision import PrecisionFiles, PrecisionRecord
from schemas.model.provenance import Provenance
from schemas.population import Population
from schemas.preprocess import PreprocessSpec
from tests.service.network import (
    GRID,
    OFFSETS,
    SIDE,
    SLOPES,
    TEMPERATURE,
    TinyNetwork,
    findings_network,
    findings_probabilities,
    gradcam_plus_plus,
    graph,
    lungs,
    tiny_network,
    traits,
)

CLASSES = ("NORMAL", "PNEUMONIA")
THRESHOLD = 0.3
FINDINGS = {"Effusion": 0.3, "Cardiomegaly": 0.5, "Pneumothorax": 0.2}
"""Thresholds of the findings that are judged by themselves."""
CHILDREN = Population(name="child", age_below_years=18)
INT8 = PrecisionFiles(graph="model.int8.onnx", golden="golden.int8.npz", tolerance=0.05)
CARD = "# tiny\n\nA bundle for tests.\n"


def write_tiny_bundle(
    models_dir: Path,
    *,
    name: str = "tiny",
    version: str = "1.0.0",
    maps: bool = True,
    statistics: bool = True,
    current: bool = True,
    alone: bool = False,
    guide: bool = False,
) -> Path:
    """A complete, correct bundle; returns its directory.

    Args:
        models_dir: the models directory.
        name: of the bundle.
        version: of the bundle.
        maps: whether the graph has heat maps.
        statistics: whether it knows its training films.
        current: whether it is made the one that serves.
        alone: its classes are `FINDINGS`, each judged by itself.
        guide: it has a guide, and answers films of `CHILDREN` alone.
    """
    directory = models_dir / name / version
    directory.mkdir(parents=True)
    network = findings_network() if alone else tiny_network()
    spec = PreprocessSpec(size=SIDE)
    onnx.save(graph(network, maps=maps, alone=alone, guide=guide), directory / GRAPH)
    (directory / MODEL_CARD).write_text(CARD)
    arrays = golden(network, spec)
    if alone:
        arrays["probabilities"] = findings_probabilities(arrays["logits"])
    if guide:
        arrays |= {
            seen.__name__: np.stack([seen(network, image) for image in arrays["inputs"]]) for seen in (lungs, traits)
        }
    _write_arrays(directory / GOLDEN, arrays)
    if statistics:
        means = (0.55, 0.7, 0.4, 0.45) if alone else (0.35, 0.65)
        _write_arrays(directory / STATISTICS, embedding_statistics(network, means))
    stated = manifest(directory, name, version, spec, maps=maps).model_dump(mode="json")
    stated |= (alone_fields(stated) if alone else {}) | (guide_fields() if guide else {})
    (directory / MANIFEST).write_text(BundleManifest.model_validate(stated).model_dump_json())
    if current:
        make_current(models_dir, f"{name}/{version}")
    return directory


def _write_arrays(file: Path, arrays: dict[str, Any]) -> None:
    np.savez(file, **arrays)


def make_current(models_dir: Path, address: str) -> None:
    """Replace the file, as `export` does: a service that looks every 10 ms would find a half-written one empty."""
    written = models_dir / ".current"
    written.write_text(f"{address}\n")
    written.replace(models_dir / "current")


def add_int8(directory: Path, *, scale: float = 1.01, tolerance: float = 0.05) -> None:
    """Give a bundle an int8 graph: the tiny network with logits `scale` times as large, which its golden outputs
    know."""
    network = tiny_network()
    network = replace(network, head=network.head * np.float32(scale), bias=network.bias * np.float32(scale))
    onnx.save(graph(network), directory / INT8.graph)
    arrays = golden(network, PreprocessSpec(size=SIDE))
    outputs = {name: arrays[name] for name in ("logits", "probabilities", "gradcam", "gradcam_plus_plus")}
    _write_arrays(directory / INT8.golden, outputs)
    files = INT8.model_copy(update={"tolerance": tolerance})
    row = PrecisionRecord(precision="int8", method="for tests", files=files, refused=None, figures=None)
    stated = json.loads((directory / MANIFEST).read_text())
    stated["files"] |= {name: file_record(directory / name).model_dump() for name in (INT8.graph, INT8.golden)}
    stated["precisions"] = [row.model_dump()]
    (directory / MANIFEST).write_text(json.dumps(stated))


def replace_file(directory: Path, name: str, content: bytes) -> None:
    """Put other content into a bundle, with the hash that belongs to it: what a bad exporter would publish."""
    (directory / name).write_bytes(content)
    stated = json.loads((directory / MANIFEST).read_text())
    stated["files"][name] = file_record(directory / name).model_dump()
    (directory / MANIFEST).write_text(json.dumps(stated))


def change_manifest(directory: Path, **changes: Any) -> None:
    """Change top-level fields of the manifest."""
    stated = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(json.dumps(stated | changes))


def file_record(path: Path) -> FileRecord:
    return FileRecord(sha256=sha256_of(path), size_bytes=path.stat().st_size)


def golden(network: TinyNetwork, spec: PreprocessSpec) -> dict[str, NDArray[Any]]:
    """Two phantoms and what numpy says about them; Grad-CAM++ is zero where no gradient of the target is positive."""
    radiographs = np.stack([phantom(48, 40, seed=seed, opacity=seed * 0.8) for seed in (0, 1)])
    films = [Radiograph(film, 8, "png", 48, 40, "MONOCHROME2", ()) for film in radiographs]
    inputs = np.stack([prepare(film, spec) for film in films])
    targets = np.array([-1, 1], np.int64)
    logits = np.stack([network.logits(image) for image in inputs])
    explained = np.where(targets < 0, logits.argmax(axis=1), targets)
    pairs = list(zip(inputs, explained.tolist(), strict=True))
    return {
        "radiographs": radiographs,
        "inputs": inputs,
        "targets": targets,
        "logits": logits,
        "probabilities": softmax(logits, TEMPERATURE).astype(np.float32),
        "gradcam": np.stack([network.gradcam(image, target) for image, target in pairs]),
        "gradcam_plus_plus": np.stack([gradcam_plus_plus(network, image, target) for image, target in pairs]),
    }


def embedding_statistics(
    network: TinyNetwork, brightness: Sequence[float] = (0.35, 0.65)
) -> dict[str, NDArray[np.float64]]:
    """Groups of films of these means; one unit of score is a tenth of the range."""
    means = [network.features(np.full((1, SIDE, SIDE), mean, np.float32)).mean(axis=(1, 2)) for mean in brightness]
    projection = np.array([[10.0], [0.0], [0.0]])
    return {
        "center": np.zeros(3),
        "projection": projection,
        "class_means": np.stack(means) @ projection,
        "scales": np.ones((len(means), 1)),
    }


def alone_fields(stated: dict[str, Any]) -> dict[str, Any]:
    """What the manifest of a bundle states otherwise, whose `FINDINGS` are judged by themselves: a finding is present
    from .6, and absent up to .4."""
    calibration = stated["calibration"]
    (point,) = calibration["operating_points"]
    sure = dict.fromkeys(FINDINGS, 0.4)
    scaling = dict(zip(FINDINGS, zip(SLOPES, OFFSETS, strict=True), strict=True))
    calibration |= {
        "temperature": 1,
        "scaling": {name: {"slope": slope, "offset": offset} for name, (slope, offset) in scaling.items()},
        "operating_points": [point | {"finding": name, "threshold": at} for name, at in FINDINGS.items()],
        "conformal": {"alpha": 0.1, "quantiles": sure, "absent": sure},
    }
    if calibration["out_of_distribution"] is not None:
        calibration["out_of_distribution"]["cutoffs"] = dict.fromkeys((*FINDINGS, NO_FINDING), 3.0)
    return {
        "activation": "sigmoid",
        "classes": list(FINDINGS),
        "negative_class": None,
        "calibration": calibration,
    }


def guide_fields() -> dict[str, Any]:
    """What the manifest of a bundle states in addition, which has a guide."""
    most = Estimate(value=0.98, low=0.96, high=0.99)
    population = Trait(
        name="population",
        values=("child", "adult"),
        accepted=("child",),
        cutoff=0.7,
        passed=most,
        refused={"adult": most},
    )
    view = Trait(
        name="view",
        values=("frontal", "lateral"),
        accepted=("frontal",),
        cutoff=0.8,
        passed=most,
        refused={"lateral": Estimate(value=0.9, low=0.85, high=0.94)},
    )
    guide = GuideRecord(
        traits=(population, view), dice=most, data="20 films", data_sha256="0" * 64, weights_sha256="1" * 64
    )
    return {"guide": guide.model_dump(mode="json"), "population": CHILDREN.model_dump(mode="json")}


def manifest(directory: Path, name: str, version: str, spec: PreprocessSpec, *, maps: bool) -> BundleManifest:
    files = {path.name: file_record(path) for path in sorted(directory.iterdir())}
    half = Estimate(value=0.9, low=0.8, high=0.95)
    point = OperatingPoint(
        finding="PNEUMONIA",
        threshold=THRESHOLD,
        target_sensitivity=0.9,
        sensitivity=half,
        specificity=half,
        data="validation: 20 films",
    )
    cutoffs = dict.fromkeys(CLASSES, 3.0)
    return BundleManifest(
        name=name,
        version=version,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        architecture="tiny",
        classes=CLASSES,
        negative_class="NORMAL",
        preprocess=spec,
        graph=GraphContract(
            opset=18, embedding_size=3, cam_layer="features", cam_grid=(GRID, GRID) if maps else None, max_batch=8
        ),
        calibration=Calibration(
            temperature=TEMPERATURE,
            operating_points=(point,),
            conformal=ConformalQuantiles(alpha=0.1, quantiles=dict.fromkeys(CLASSES, 0.4)),
            out_of_distribution=OutOfDistribution(cutoffs=cutoffs, accepted_share=0.95)
            if STATISTICS in files
            else None,
            data="validation: 20 films",
        ),
        evaluation=(),
        provenance=PROVENANCE,
        intended_use="tests",
        files=files,
    )


PROVENANCE = Provenance(
    command="none",
    git_commit="none",
    trained_at=datetime(2026, 1, 1, tzinfo=UTC),
    training_seconds=0,
    seed=0,
    data="none",
    data_sha256="0" * 64,
    split_sha256="0" * 64,
    pretrained_weights="none",
    parameters=56,
    device="none",
    libraries={},
)
