"""Findings that are judged each by itself have their own scaling, and rank by multiples of their thresholds."""

from typing import Any

import numpy as np
import pytest
import torch

from export.graph.gradcam import select_target
from export.graph.scaling import FindingScaling
from schemas.model.decision import calibrated, finding_label
from schemas.model.trial import TrialRecord
from tests.trainer.judging.findings.test_evaluation import CALIBRATION, TASK

FIELDS: dict[str, Any] = {"classes": TASK.classes, "calibration": CALIBRATION, "activation": "sigmoid"}
RECORD = TrialRecord.model_construct(**FIELDS)
LOGITS = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * 3


def test_probabilities_are_those_of_the_decision_rules() -> None:
    scaling = FindingScaling.of(RECORD)
    assert scaling is not None

    assert scaling(LOGITS).numpy() == pytest.approx(calibrated(LOGITS.numpy(), CALIBRATION, TASK.classes), abs=1e-6)


def test_what_is_explained_is_the_label_where_a_finding_is_called() -> None:
    scaling = FindingScaling.of(RECORD)
    targets = torch.full((200,), -1)

    chosen = select_target(LOGITS, targets, scaling).argmax(1).tolist()
    rows = calibrated(LOGITS.numpy(), CALIBRATION, TASK.classes)
    labels = [finding_label(row, TASK.classes, None, CALIBRATION.operating_points, alone=True) for row in rows]

    named = [(label, TASK.classes[index]) for label, index in zip(labels, chosen, strict=True) if label != "no finding"]
    assert len(named) > 100
    assert all(label == explained for label, explained in named)
    assert chosen != LOGITS.argmax(1).tolist()


def test_a_threshold_of_zero_is_always_reached_and_ranks_first() -> None:
    scaling = FindingScaling(torch.ones(2), torch.zeros(2), torch.tensor([0.5, 0.0]))

    assert np.isfinite(scaling(torch.tensor([[4.0, -4.0]])).numpy()).all()
    assert scaling.rank(torch.tensor([[4.0, -4.0]])).argmax(1).tolist() == [1]


def test_classes_that_exclude_one_another_have_none() -> None:
    plain = CALIBRATION.model_copy(update={"scaling": None})

    assert FindingScaling.of(RECORD.model_copy(update={"calibration": plain})) is None
