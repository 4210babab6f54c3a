"""What misplaced heat and an answer that depends on the background cost."""

import math

import pytest
import torch

from trainer.learning.reasons.costs import divergence, misplaced_heat

HALVES = torch.zeros(2, 8, 8)
HALVES[:, :, :4] = 1
"""The left half of two films."""


def head(features: torch.Tensor) -> torch.Tensor:
    """Two classes: the mean of the first channel, and of the second."""
    return features.mean((2, 3))


def maps(left: float, right: float) -> torch.Tensor:
    """Two films of two channels with so much in each half of the first one."""
    features = torch.zeros(2, 2, 4, 4)
    features[:, 0, :, :2], features[:, 0, :, 2:] = left, right
    return features.requires_grad_()


@pytest.mark.parametrize(("left", "right", "share"), [(1, 0, 0), (0, 1, 1), (1, 1, 0.5), (3, 1, 0.25)])
def test_the_cost_is_the_share_of_heat_beside_the_evidence(left, right, share) -> None:
    explained = torch.tensor([[1.0, 0.0]] * 2)

    assert misplaced_heat(head, maps(left, right), explained, HALVES).tolist() == pytest.approx([share] * 2)


def test_a_film_without_heat_costs_nothing() -> None:
    explained = torch.tensor([[0.0, 1.0]] * 2)

    assert misplaced_heat(head, maps(0, 1), explained, HALVES).tolist() == [0, 0]


def test_the_cost_moves_the_heat_and_a_frozen_body_lets_the_head_move_it() -> None:
    explained = torch.tensor([[1.0, 0.0]] * 2)
    features = maps(1, 1)
    misplaced_heat(head, features, explained, HALVES).sum().backward()
    weights = torch.ones(2, requires_grad=True)
    frozen = torch.stack([maps(1, 0)[:, 0], maps(0, 1)[:, 0]], dim=1).detach()

    misplaced_heat(lambda part: head(part) * weights @ torch.ones(2, 2), frozen, explained, HALVES).sum().backward()

    assert (features.grad[:, 0, :, :2] < 0).all()
    assert (features.grad[:, 0, :, 2:] > 0).all()
    assert weights.grad[0] < 0 < weights.grad[1]


@pytest.mark.parametrize("alone", [False, True])
def test_answers_that_agree_cost_nothing_and_opposite_ones_the_most_there_is(alone) -> None:
    sure = torch.tensor([[40.0, -40.0]])

    assert divergence(sure, sure, alone=alone).tolist() == pytest.approx([0])
    assert divergence(sure, -sure, alone=alone).tolist() == pytest.approx([math.log(2)])


def test_the_divergence_of_classes_is_that_of_jensen_and_shannon() -> None:
    first, second = torch.tensor([0.2, 0.8]), torch.tensor([0.6, 0.4])
    middle = (first + second) / 2
    expected = sum((each * (each / middle).log()).sum() for each in (first, second)) / 2

    assert float(divergence(first.log()[None], second.log()[None], alone=False)) == pytest.approx(float(expected))


def test_findings_cost_the_mean_of_each_by_itself() -> None:
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    one = divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), alone=False)

    assert float(divergence(first, second, alone=True)) == pytest.approx(float(one) / 2)
