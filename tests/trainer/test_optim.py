"""Each loss, optimizer and schedule does what its name says."""

import math

import numpy as np
import pytest
import torch

from trainer.architectures import Recipe, build_network
from trainer.config import RunConfig, make_config
from trainer.optim import build_loss, build_optimizer, freeze, lr_factor, set_learning_rate, train_mode

RECIPE = Recipe(lr=0.1, weight_decay=0.3)


def _config(**options) -> RunConfig:
    return make_config({"data": "films", "archs": ["cnn_attention"], **options})


LOGITS = torch.tensor([[2.0, 0.0], [0.5, 1.0], [3.0, -1.0]])
LABELS = torch.tensor([0, 1, 1])


def _truth_probabilities() -> list[float]:
    return [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(4))]


def test_cross_entropy_is_the_mean_negative_log_probability_of_the_truth():
    expected = -sum(math.log(p) for p in _truth_probabilities()) / 3

    assert float(build_loss(_config(), (3, 3))(LOGITS, LABELS)) == pytest.approx(expected)


def test_class_weights_make_a_rare_class_count_as_much_as_a_frequent_one():
    first, second, third = (-math.log(p) for p in _truth_probabilities())
    loss = build_loss(_config(class_weights=True), (10, 30))

    # weights 40 / (2 * 10) = 2 and 40 / (2 * 30) = 2/3
    assert float(loss(LOGITS, LABELS)) == pytest.approx((2 * first + 2 / 3 * (second + third)) / (2 + 4 / 3))


def test_focal_loss_plays_down_what_is_already_right():
    expected = -sum((1 - p) ** 2 * math.log(p) for p in _truth_probabilities()) / 3

    assert float(build_loss(_config(loss="focal"), (3, 3))(LOGITS, LABELS)) == pytest.approx(expected)


def test_focal_loss_without_focus_is_cross_entropy():
    focal = build_loss(_config(loss="focal", focal_gamma=0), (3, 3))

    assert float(focal(LOGITS, LABELS)) == pytest.approx(float(build_loss(_config(), (3, 3))(LOGITS, LABELS)))


def test_label_smoothing_punishes_certainty():
    sure, labels = torch.tensor([[20.0, -20.0]]), torch.tensor([0])

    assert float(build_loss(_config(), (1, 1))(sure, labels)) < 1e-6
    assert float(build_loss(_config(label_smoothing=0.1), (1, 1))(sure, labels)) == pytest.approx(0.05 * 40)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_an_optimizer_holds_every_weight_once_and_decays_no_bias_and_no_norm(name, kind):
    network = build_network("cnn_attention", classes=2)
    optimizer = build_optimizer(network, _config(optimizer=name), RECIPE)
    held = [weight for group in optimizer.param_groups for weight in group["params"]]

    assert type(optimizer) is kind
    assert len(held) == len(set(map(id, held))) == len(list(network.parameters()))
    for group in optimizer.param_groups:
        assert all((weight.ndim > 1) == (group["weight_decay"] == 0.3) for weight in group["params"])


@pytest.mark.parametrize("arch", ["cnn_attention", "mobilenet"])
def test_lower_layers_learn_more_slowly(arch):
    network = build_network(arch, classes=2)
    optimizer = build_optimizer(network, _config(layer_decay=0.5), RECIPE)
    rates = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    named = dict(network.named_parameters())
    stem = rates[id(next(iter(named.values())))]
    last = rates[id(network.classifier.weight)]

    assert last == pytest.approx(0.1)
    assert stem < last / 4


def test_without_layer_decay_every_layer_learns_at_the_same_rate():
    optimizer = build_optimizer(build_network("mobilenet", classes=2), _config(), RECIPE)

    assert {group["lr"] for group in optimizer.param_groups} == {0.1}


def test_only_the_last_linear_layer_of_a_frozen_network_is_optimised_and_its_norms_stand_still():
    network, config = build_network("mobilenet", classes=2), _config(strategy="frozen")
    freeze(network, config)
    optimizer = build_optimizer(network, config, RECIPE)
    train_mode(network, config)
    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}

    assert held == {id(network.classifier.weight), id(network.classifier.bias)}
    assert network.training
    assert not network.body.bn1.training


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.99, 1.0),
        ("cosine", 0.1, 1.0),
        ("cosine", 0.55, 0.5),
        ("cosine", 1.0, 0.0),
        ("step", 0.59, 1.0),
        ("step", 0.6, 0.1),
        ("step", 0.9, 0.01),
    ],
)
def test_a_schedule_is_a_function_of_progress(schedule, progress, expected):
    assert lr_factor(_config(schedule=schedule, warmup=0.1), progress, []) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "plateau"])
def test_the_rate_rises_from_almost_0_during_warm_up(schedule):
    config = _config(schedule=schedule, warmup=0.2)
    rates = [lr_factor(config, progress, []) for progress in np.linspace(0, 0.2, 9)]

    assert 0 < rates[0] < 0.01
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], 1),
        ([3, 2, 1], 1),
        ([1, 2], 1),
        ([1, 2, 1], 0.5),
        ([1, 2, 2, 2, 2], 0.25),
        ([1, 2, 2, 0.5, 2, 2], 0.25),
    ],
)
def test_the_rate_halves_after_each_two_epochs_without_a_lower_validation_loss(losses, expected):
    assert lr_factor(_config(schedule="plateau"), 0.5, losses) == expected


def test_a_rate_keeps_the_ratio_of_the_layers():
    optimizer = build_optimizer(build_network("mobilenet", classes=2), _config(layer_decay=0.5), RECIPE)
    before = [group["lr"] for group in optimizer.param_groups]

    set_learning_rate(optimizer, 0.25)

    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.25 * lr for lr in before])
