"""A trained network without training: random weights, plausible figures, films from the phantom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.gates.parity import reference_outputs
from imaging.phantom import phantom
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint, OutOfDistribution
from schemas.model.evaluation import Evaluation, FindingMetrics, LabelMetrics
from schemas.model.mistakes import FilmReference
from schemas.model.provenance import Provenance
from schemas.model.trial import TrialRecord
from schemas.preprocess import PreprocessSpec
from trainer.networks.build import build_network
from trainer.networks.network import Network

SIDE = 32
CLASSES = ("NORMAL", "PNEUMONIA")
TEMPERATURE = 1.5


@dataclass(frozen=True)
class UntrainedTrial:
    """An `export.bundle.Trial` in memory."""

    record: TrialRecord
    network: Network
    statistics: Mapping[str, NDArray] | None
    films: NDArray[np.float32]
    labels: NDArray[np.int64]

    def inputs(self, split):
        assert split in {"train", "val"}
        return self.films, self.labels

    def patients(self, split):
        assert split == "val"
        return np.arange(len(self.films)).astype(str)

    def references(self, split):
        assert split == "val"
        return tuple(
            FilmReference(sha256_prefix=f"{index:012x}", split_line=index + 2) for index in range(len(self.films))
        )


def phantoms(count: int, side: int) -> NDArray[np.float32]:
    """float32 [count, 1, side, side] in [0, 1]; every second film has an opacity."""
    films = [phantom(side, side, seed=seed, opacity=0.8 * (seed % 2)) for seed in range(count)]
    return np.stack(films)[:, np.newaxis].astype(np.float32) / np.float32(255)


def settled(network: Network, films: NDArray[np.float32]) -> Network:
    """The network in eval mode after its batch norms have seen the films: without, deep random networks go silent."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    with torch.no_grad():
        network.train()(torch.from_numpy(films))
    return network.eval()


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=max(0.0, value - 0.02), high=min(1.0, value + 0.02))


def evaluation(name: str, threshold: float, auroc: float) -> Evaluation:
    finding = FindingMetrics(
        finding="PNEUMONIA",
        threshold=threshold,
        auroc=estimate(auroc),
        auprc=estimate(0.971),
        sensitivity=estimate(0.962),
        specificity=estimate(0.913),
        prevalence=0.625,
        ppv=estimate(0.942),
        npv=None,
        f1=estimate(0.951),
    )
    label = LabelMetrics(
        rule="operating point",
        accuracy=estimate(0.931),
        balanced_accuracy=estimate(0.924),
        macro_f1=estimate(0.926),
        class_f1={name: estimate(0.93) for name in CLASSES},
        mcc=estimate(0.853),
        confusion=((19, 1), (2, 18)),
    )
    return Evaluation(
        data=name,
        data_sha256="d" * 64,
        films=40,
        patients=20,
        class_counts={"NORMAL": 20, "PNEUMONIA": 20},
        auroc=estimate(auroc),
        class_auroc={name: estimate(auroc) for name in CLASSES},
        brier=estimate(0.061),
        ece=estimate(0.032),
        labels=(label,),
        findings=(finding,),
    )


def calibration(threshold: float, *, distribution: bool) -> Calibration:
    point = OperatingPoint(
        finding="PNEUMONIA",
        threshold=threshold,
        target_sensitivity=0.96,
        sensitivity=estimate(0.962),
        specificity=estimate(0.913),
        data="validation",
    )
    return Calibration(
        temperature=TEMPERATURE,
        operating_points=(point,),
        conformal=ConformalQuantiles(alpha=0.1, quantiles={"NORMAL": 0.6123, "PNEUMONIA": 0.4567}),
        out_of_distribution=(
            OutOfDistribution(cutoffs={"NORMAL": 1.31, "PNEUMONIA": 1.42}, accepted_share=0.95)
            if distribution
            else None
        ),
        data="validation: 40 films of 20 patients",
    )


def trial_of(network: Network, *, architecture: str, side: int, distribution: bool) -> UntrainedTrial:
    """A trial whose threshold lies between the two films in the middle."""
    films = phantoms(40, side)
    outputs = reference_outputs(network, films, np.zeros(40, np.int64), TEMPERATURE)
    ordered = np.sort(outputs["probabilities"][:, 1])
    threshold = float(ordered[19] + ordered[20]) / 2
    provenance = Provenance(
        command="python -m trainer train --data films --arch cnn_baseline --out runs/r1",
        git_commit="0123456789abcdef0123456789abcdef01234567",
        trained_at=datetime(2025, 3, 1, 12, 30, tzinfo=UTC),
        training_seconds=90.0,
        seed=0,
        data="Chest X-Ray Images (Pneumonia), Kermany et al.",
        data_sha256="a" * 64,
        split_sha256="b" * 64,
        pretrained_weights="none",
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        device="cpu",
        libraries={"torch": "2.15.0", "timm": "1.0.31"},
    )
    record = TrialRecord(
        architecture=architecture,
        classes=CLASSES,
        negative_class="NORMAL",
        preprocess=PreprocessSpec(size=side),
        epochs=5,
        best_epoch=3,
        calibration=calibration(threshold, distribution=distribution),
        validation=evaluation("validation", threshold, 0.987),
        test=evaluation("test", threshold, 0.965),
        provenance=provenance,
    )
    size = outputs["embedding"].shape[1]
    arrays = {
        "center": np.zeros(size, np.float32),
        "projection": np.eye(size, 4, dtype=np.float32),
        "class_means": np.zeros((2, 4), np.float32),
        "scales": np.ones((2, 1), np.float32),
    }
    return UntrainedTrial(record, network, arrays if distribution else None, films, np.arange(40) % 2)


def small_network() -> Any:
    """A `cnn_baseline` whose logits and labels differ from film to film as those of a trained one do."""
    torch.manual_seed(3)
    network: Any = build_network("cnn_baseline", classes=2, size=SIDE).eval()
    with torch.no_grad():
        network.classifier.weight *= 40
        network.classifier.bias -= network(torch.from_numpy(phantoms(40, SIDE))).mean(0)
    return network
