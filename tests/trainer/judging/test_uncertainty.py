"""Rules of the spread of answers: what dropout and several networks disagree about, and what it is worth."""

import numpy as np
import pytest
import torch
from torch import nn

from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint
from trainer.films.task import Task
from trainer.judging.logits import LabelledLogits
from trainer.judging.uncertainty import dropout_spread, error_detection, spread

TASK = Task(("NORMAL", "PNEUMONIA"), "NORMAL")
POINT = Estimate(value=0.9, low=0.8, high=1)
CALIBRATION = Calibration(
    temperature=1,
    operating_points=(
        OperatingPoint(
            finding="PNEUMONIA", threshold=0.5, target_sensitivity=0.9, sensitivity=POINT, specificity=POINT, data="v"
        ),
    ),
    conformal=ConformalQuantiles(alpha=0.1, quantiles={"NORMAL": 0.3, "PNEUMONIA": 0.6}),
    out_of_distribution=None,
    data="v",
)


def test_the_spread_is_that_of_the_class_that_differs_most() -> None:
    answers = np.array([[[0.5, 0.3, 0.2], [0.9, 0.1, 0]], [[0.1, 0.5, 0.4], [0.9, 0.1, 0]]])

    assert spread(answers) == pytest.approx([0.2, 0])


def test_dropout_of_half_an_embedding_of_one_number_gives_two_answers() -> None:
    classifier = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        classifier.weight.copy_(torch.tensor([[0.0], [2.0]]))
    embeddings = np.array([[1.0], [0.0]], np.float32)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()

    first, again = (dropout_spread(classifier, embeddings, 0.5, CALIBRATION, TASK.classes) for _ in range(2))

    # Kept embeddings are doubled: the logits differ by 0 or 4, so the probability is 1/2 or 0.982.
    assert first[0] == pytest.approx((0.982 - 0.5) / 2, rel=0.1)
    assert first[1] == 0
    assert np.array_equal(first, again)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_network_without_dropout_has_no_spread() -> None:
    assert dropout_spread(nn.Linear(1, 2), np.ones((1, 1), np.float32), 0, CALIBRATION, TASK.classes) is None


def answered(odds: list[float], labels: list[int]) -> LabelledLogits:
    logits = np.array([[0.0, np.log(odd)] for odd in odds])
    return LabelledLogits("v", "a" * 64, [str(index) for index in range(len(odds))], np.array(labels), logits)


def test_a_spread_that_is_large_on_the_errors_alone_finds_them_all_and_the_probability_none() -> None:
    outputs = answered([9, 9, 2, 1 / 2, 1 / 9, 1 / 9], [0, 1, 1, 0, 0, 1])

    worth = error_detection(outputs, np.array([0.2, 0.1, 0, 0, 0, 0.3]), TASK, CALIBRATION)

    assert (worth.films, worth.errors) == (6, 2)
    assert worth.spread_auroc.value == 1
    assert worth.spread_auroc.low < 1
    assert worth.improbability_auroc.value == 0.25


def test_without_an_error_there_is_nothing_to_find() -> None:
    assert error_detection(answered([9, 1 / 9], [1, 0]), np.zeros(2), TASK, CALIBRATION) is None
    assert error_detection(answered([9, 1 / 9], [0, 1]), np.zeros(2), TASK, CALIBRATION) is None
