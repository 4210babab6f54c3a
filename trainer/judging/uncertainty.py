"""How far the answers about one film differ, of a network under dropout or of several networks, and what that is worth.

The dropout is that before the last linear layer, so the body of the network runs once.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from biostatistics.delong import delong_interval
from biostatistics.metrics import certain
from schemas.model.calibration import Calibration
from schemas.model.decision import calibrated, finding_label
from schemas.model.familiarity import Vectors
from schemas.model.trial import TrialRecord
from schemas.model.uncertainty import ErrorDetection, Uncertainty
from trainer.films.task import Task
from trainer.judging.findings.answers import called_findings
from trainer.judging.logits import LabelledLogits

DROPOUT_SAMPLES = 50
"""Draws for each film; the standard error of a standard deviation is then 10 % of it."""
_SEED = 0

Spread = NDArray[np.float64]  # [N]


def dropout_spread(
    classifier: nn.Module, embeddings: Vectors, share: float, calibration: Calibration, classes: Sequence[str]
) -> Spread | None:
    """The spread of the probabilities of films over draws of the dropout; None where the network has no dropout.

    Args:
        classifier: the last linear layer, on the CPU.
        embeddings: [N, D], what it sees without dropout.
        share: of the embedding that dropout sets to 0, in [0, 1).
        calibration: makes logits probabilities.
        classes: K names.

    Source: Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML 2016, arXiv:1506.02142.
    """
    if not share:
        return None
    vectors = torch.from_numpy(embeddings.astype(np.float32))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_SEED)
        draws = [classifier(functional.dropout(vectors, share)).numpy() for _ in range(DROPOUT_SAMPLES)]
    return spread(calibrated(np.stack(draws), calibration, classes))


def spread(probabilities: NDArray[np.float64]) -> Spread:
    """The standard deviation of the probabilities [M, N, K] over M answers, of the class in which it is largest: [N].

    Source: Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles,
        NeurIPS 2017, arXiv:1612.01474.
    """
    largest: Spread = probabilities.std(axis=0).max(axis=-1)
    return largest


def error_detection(
    outputs: LabelledLogits, spreads: Spread, task: Task, calibration: Calibration
) -> ErrorDetection | None:
    """How well the spread ranks wrongly labelled films above others, beside the plain improbability of the label.

    Of findings a film is wrong where any that is known is called wrongly; its improbability is that of the call of
    which the network is least sure.

    Returns:
        None where every label, or none, is wrong.
    """
    probabilities = calibrated(outputs.logits, calibration, task.classes)
    points = calibration.operating_points
    if task.alone:
        calls = called_findings(probabilities, task.classes, points)
        wrong = (certain(outputs.labels) & (calls != (outputs.labels == 1))).any(axis=1)
        improbability = 1 - np.where(calls, probabilities, 1 - probabilities).min(axis=1)
    else:
        labels = [finding_label(row, task.classes, task.negative_class, points) for row in probabilities]
        called = np.array([task.classes.index(label) for label in labels])
        wrong = called != outputs.labels
        improbability = 1 - probabilities[np.arange(len(called)), called]
    if wrong.all() or not wrong.any():
        return None
    return ErrorDetection(
        films=len(wrong),
        errors=int(wrong.sum()),
        spread_auroc=delong_interval(wrong, spreads, patients=outputs.patients),
        improbability_auroc=delong_interval(wrong, improbability, patients=outputs.patients),
    )


def with_test(record: TrialRecord, outputs: LabelledLogits, spreads: Spread | None) -> Uncertainty | None:
    """The record's uncertainty with its worth on the test films; None where it has none."""
    if record.uncertainty is None or spreads is None:
        return None
    task = Task.of(record)
    detection = error_detection(outputs, spreads, task, record.calibration)
    return record.uncertainty.model_copy(update={"test": detection})
