"""Each loss is what its formula says."""

import math

import pytest
import torch

from schemas.errors import TrainingConfigError
from trainer.learning.losses import build_loss
from trainer.learning.options import LearnOptions

LOGITS = torch.tensor([[2.0, 0.0], [0.5, 1.0], [3.0, -1.0]])
LABELS = torch.tensor([0, 1, 1])


def _truth_probabilities() -> list[float]:
    return [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(4))]


def test_cross_entropy_is_the_mean_negative_log_probability_of_the_truth() -> None:
    expected = -sum(math.log(p) for p in _truth_probabilities()) / 3

    assert float(build_loss(LearnOptions(), (3, 3))(LOGITS, LABELS)) == pytest.approx(expected)


def test_class_weights_make_a_rare_class_count_as_much_as_a_frequent_one() -> None:
    first, second, third = (-math.log(p) for p in _truth_probabilities())
    loss = build_loss(LearnOptions(class_weights=True), (10, 30))

    # weights 40 / (2 * 10) = 2 and 40 / (2 * 30) = 2/3
    assert float(loss(LOGITS, LABELS)) == pytest.approx((2 * first + 2 / 3 * (second + third)) / (2 + 4 / 3))


def test_focal_loss_plays_down_what_is_already_right() -> None:
    expected = -sum((1 - p) ** 2 * math.log(p) for p in _truth_probabilities()) / 3

    assert float(build_loss(LearnOptions(loss="focal"), (3, 3))(LOGITS, LABELS)) == pytest.approx(expected)


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    focal = build_loss(LearnOptions(loss="focal", focal_gamma=0), (3, 3))

    assert float(focal(LOGITS, LABELS)) == pytest.approx(float(build_loss(LearnOptions(), (3, 3))(LOGITS, LABELS)))


def test_label_smoothing_punishes_certainty() -> None:
    sure = torch.tensor([[20.0, -20.0]])
    labels = torch.tensor([0])

    assert float(build_loss(LearnOptions(), (1, 1))(sure, labels)) < 1e-6
    assert float(build_loss(LearnOptions(label_smoothing=0.1), (1, 1))(sure, labels)) == pytest.approx(0.05 * 40)


def test_the_expected_cost_adds_what_the_probabilities_would_cost() -> None:
    loss = build_loss(LearnOptions(loss="expected_cost", missed_finding_cost=5), (3, 3), negative=0)
    first, second, third = _truth_probabilities()
    entropy = -sum(math.log(p) for p in (first, second, third)) / 3
    cost = (1 * (1 - first) + 5 * (1 - second) + 5 * (1 - third)) / 3  # a false alarm, two missed findings

    assert float(loss(LOGITS, LABELS)) == pytest.approx(entropy + cost)


def test_a_missed_finding_pulls_harder_than_a_false_alarm_of_the_same_size() -> None:
    loss = build_loss(LearnOptions(loss="expected_cost", missed_finding_cost=5), (3, 3), negative=0)
    alarm = torch.tensor([[0.0, 1.0]], requires_grad=True)
    missed = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss(alarm, torch.tensor([0])).backward()
    loss(missed, torch.tensor([1])).backward()

    assert float(missed.grad.abs().sum()) > 1.5 * float(alarm.grad.abs().sum())


def test_one_finding_called_another_costs_as_little_as_a_false_alarm() -> None:
    loss = build_loss(LearnOptions(loss="expected_cost", missed_finding_cost=5), (1, 1, 1), negative=0)
    sure = 30 * torch.eye(3)
    costs = [
        [float(loss(sure[[label]], torch.tensor([truth])) - 30 * (label != truth)) for label in range(3)]
        for truth in range(3)
    ]

    assert costs == [[pytest.approx(v, abs=1e-5) for v in row] for row in ([0, 1, 1], [5, 0, 1], [5, 1, 0])]


def test_a_missed_finding_cannot_be_priced_where_no_class_means_none() -> None:
    with pytest.raises(TrainingConfigError, match="no class of these films means 'none'"):
        build_loss(LearnOptions(loss="expected_cost"), (3, 3), negative=None)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "expected_cost"])
def test_labels_given_as_shares_cost_what_they_cost_as_indices(name) -> None:
    loss = build_loss(LearnOptions(loss=name), (3, 3), negative=0)
    shares = torch.nn.functional.one_hot(LABELS, 2).float()

    assert float(loss(LOGITS, shares)) == pytest.approx(float(loss(LOGITS, LABELS)))
