"""The parity gate: a graph is shipped only if it computes what the trained network computes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from biostatistics.metrics import findings_auroc, macro_auroc
from bundle.golden import largest_difference
from bundle.session import GraphOutputs, Run, run_in_batches
from export.graph.gradcam import select_target
from export.graph.scaling import FindingScaling
from schemas.errors import ParityError
from schemas.model.decision import calibrated, finding_label
from schemas.model.manifest import FINE_TOLERANCE
from schemas.model.trial import TrialRecord
from trainer.films.task import Labels
from trainer.judging.findings.answers import called_findings
from trainer.networks.gradcam import gradcam, gradcam_plus_plus
from trainer.networks.layercam import cut_at, fine_layer, layercam
from trainer.networks.network import Network

BATCHES = (1, 2, 7, 32)
MAX_BATCH = BATCHES[-1]
_TORCH_BATCH = 16

TOLERANCES: Mapping[str, float] = {
    "logits": 1e-4,
    "probabilities": 1e-4,
    "embedding": 1e-4,
    # A map is a difference of large sums, behind a ReLU; 1e-3 of its maximum is a quarter of a gray level.
    "gradcam": 1e-3,
    "gradcam_plus_plus": 1e-3,
    "lungs": 1e-4,
    "traits": 1e-4,
    "layercam": FINE_TOLERANCE,
}
"""Largest accepted |onnx - torch|, relative to the largest |torch| over all films: an untrained network's logits are
about 0.05, where an absolute 1e-4 would prove nothing."""

GUIDED_EMBEDDING = 5e-4
"""The tolerance of the embedding behind a guide: rounding moves the box of the lungs, and with it every pixel that the
network sees. Measured on 160 films: 1.1e-4 at most, 1.6e-5 in the median; the logits 1e-5."""

FLOOR = 1e-6  # the scale of an output that is zero for every film

AUROC_TOLERANCE = 5e-5  # four decimals


@dataclass(frozen=True, slots=True)
class ParityRow:
    """How far one output was off at one batch size, in the units of that output."""

    output: str
    batch: int
    worst: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What the gate measured; its existence means that it was passed."""

    films: int
    rows: tuple[ParityRow, ...]
    auroc: tuple[float, float] | None
    """Of torch and of the graph at the largest batch; None where there were no labels of every class."""


def check_parity(
    network: Network,
    run: Run,
    record: TrialRecord,
    films: NDArray[np.float32],
    labels: Labels | None = None,
) -> ParityReport:
    """Run films through torch's own autograd and through the graph, and compare all that the graph gives.

    Args:
        network: in eval mode, on the CPU.
        run: the graph exported from it.
        record: temperature, classes and operating points.
        films: [V, 1, S, S], V >= 1; the first are repeated where V is less than `MAX_BATCH`.
        labels: [V], or of findings [V, K]; with a film of every class the AUROCs are compared too.

    Raises:
        ParityError: an output is off by more than its tolerance (or not a number), a film gets another label,
            or the AUROC differs in its first four decimals.
    """
    count = len(films)
    films = films[np.arange(max(count, MAX_BATCH)) % count]
    targets = np.arange(len(films)) % (len(record.classes) + 1) - 1  # every class, and -1
    scaling = FindingScaling.of(record)
    expected = reference_outputs(network, films, targets, record.calibration.temperature, scaling)
    if "layercam" in run(films[:1], targets[:1]):
        expected = {**expected, "layercam": _finer_maps(network, films, targets)}
    rows: list[ParityRow] = []
    tolerances = {**TOLERANCES, **({} if record.guide is None else {"embedding": GUIDED_EMBEDDING})}
    for batch in BATCHES:
        actual = run_in_batches(run, films, targets, batch)
        rows += [
            _compare(name, batch, actual[name], expected[name], tolerances[name])
            for name in TOLERANCES
            if name in expected
        ]
        _check_labels(record, batch, actual["probabilities"], expected["logits"])
    return ParityReport(count, tuple(rows), _compare_auroc(actual, expected, labels))


def reference_outputs(
    network: Network,
    films: NDArray[np.float32],
    targets: NDArray[np.int64],
    temperature: float,
    scaling: FindingScaling | None = None,
) -> GraphOutputs:
    """Everything that the graph must give, by torch: gradients by autograd, not by the traced program."""
    parts = []
    for start in range(0, len(films), _TORCH_BATCH):
        image, target = (torch.from_numpy(array[start : start + _TORCH_BATCH]) for array in (films, targets))
        with torch.no_grad():
            features = network.features(image)
        features.requires_grad_()
        logits = network.head(features)
        (gradients,) = torch.autograd.grad(logits, features, select_target(logits, target, scaling))
        with torch.no_grad():
            parts.append(
                {
                    "logits": logits,
                    "probabilities": torch.softmax(logits / temperature, 1) if scaling is None else scaling(logits),
                    "embedding": network.embed(features),
                    "gradcam": network.on_film(gradcam(features, gradients), image),
                    "gradcam_plus_plus": network.on_film(gradcam_plus_plus(features, gradients), image),
                    **network.seen(image),
                }
            )
    return {name: np.concatenate([part[name].detach().numpy() for part in parts]) for name in parts[0]}


def _finer_maps(
    network: Network, films: NDArray[np.float32], targets: NDArray[np.int64], *, batch: int = 16
) -> NDArray[np.float32]:
    """LayerCAM by autograd through the network itself; `finer_maps` knows no target -1."""
    layer = fine_layer(network, films.shape[-1]) or network.cam_layer
    parts = []
    for start in range(0, len(films), batch):
        image, target = (torch.from_numpy(array[start : start + batch]) for array in (films, targets))
        with cut_at(network, layer) as outputs, torch.enable_grad():
            logits = network(image)
        (gradients,) = torch.autograd.grad(logits, outputs[0], select_target(logits, target))
        parts.append(layercam(outputs[0].detach(), gradients).numpy())
    return np.concatenate(parts)


def _compare(
    name: str, batch: int, actual: NDArray[np.float32], expected: NDArray[np.float32], share: float
) -> ParityRow:
    tolerance = share * max(float(np.abs(expected).max()), FLOOR)
    worst = largest_difference(actual, expected)
    if not worst <= tolerance:  # a tolerance that is not a number refuses too
        msg = (
            f"{name} at batch {batch} is off by {worst:.3g}, at most {tolerance:.3g} is accepted; "
            "the graph does not compute what was trained and is not shipped"
        )
        raise ParityError(msg)
    return ParityRow(name, batch, worst, tolerance)


def _check_labels(
    record: TrialRecord, batch: int, probabilities: NDArray[np.float32], reference: NDArray[np.float32]
) -> None:
    """Compare the labels of the service (the graph's probabilities) with those of the trainer (its own rule)."""
    trained = calibrated(reference, record.calibration, record.classes)
    points = record.calibration.operating_points
    if record.activation == "sigmoid":
        here, there = (called_findings(each, record.classes, points) for each in (probabilities, trained))
        differing = int((here != there).any(axis=1).sum())
    else:
        rule = (record.classes, record.negative_class, points)
        differing = sum(
            finding_label(here, *rule) != finding_label(there, *rule)
            for here, there in zip(probabilities, trained, strict=True)
        )
    if differing:
        msg = (
            f"labels at batch {batch}: {differing} of {len(probabilities)} films get another label than in torch, none "
            "may; a threshold that equals a film's probability does this: place it between two films"
        )
        raise ParityError(msg)


def _has_all(labels: Labels, classes: int) -> bool:
    """Whether there is a film of every class, or with every finding and without it."""
    if labels.ndim == 1:
        return len(np.unique(labels)) >= classes
    return bool(((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).all())


def _compare_auroc(actual: GraphOutputs, expected: GraphOutputs, labels: Labels | None) -> tuple[float, float] | None:
    if labels is None or not _has_all(labels, expected["logits"].shape[1]):
        return None
    area = macro_auroc if labels.ndim == 1 else findings_auroc
    by_torch, by_graph = (
        float(area(labels, outputs["probabilities"][: len(labels)])) for outputs in (expected, actual)
    )
    if abs(by_torch - by_graph) >= AUROC_TOLERANCE:
        msg = (
            f"AUROC is {by_graph:.6f} by the graph and {by_torch:.6f} by torch, four decimals must agree; "
            "the graph is not shipped"
        )
        raise ParityError(msg)
    return by_torch, by_graph
