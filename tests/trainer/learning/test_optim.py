"""Each loss, optimizer and schedule does what its name says."""

import numpy as np
import pytest
import torch

from trainer.learning.optim import build_optimizer, lr_factor, set_learning_rate
from trainer.learning.options import LearnOptions
from trainer.networks.architectures import Recipe
from trainer.networks.build import build_network

RECIPE = Recipe(lr=0.1, weight_decay=0.3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_an_optimizer_holds_every_weight_once_and_decays_no_bias_and_no_norm(name, kind) -> None:
    network = build_network("cnn_attention", classes=2)
    optimizer = build_optimizer(network, LearnOptions(optimizer=name), RECIPE)
    held = [weight for group in optimizer.param_groups for weight in group["params"]]

    assert type(optimizer) is kind
    assert len(held) == len(set(map(id, held))) == len(list(network.parameters()))
    for group in optimizer.param_groups:
        assert all((weight.ndim > 1) == (group["weight_decay"] == 0.3) for weight in group["params"])


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_step_for_all_weights_at_once_is_that_of_each_weight_by_itself(name) -> None:
    images = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    learned = []
    for precision in ("fp32", "fp16"):  # of the optimizer alone: the network computes in fp32
        torch.manual_seed(1)
        network = build_network("mobilenet", classes=2, size=64, dropout=0.0).to(memory_format=torch.channels_last)
        optimizer = build_optimizer(network, LearnOptions(optimizer=name, precision=precision), RECIPE)
        set_learning_rate(optimizer, 0.01)
        network(images).square().sum().backward()
        for _ in range(3):
            optimizer.step()
        learned.append(torch.cat([weight.detach().flatten() for weight in network.parameters()]))
        assert optimizer.defaults["fused"] is (precision == "fp32")

    torch.testing.assert_close(*learned, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("arch", ["cnn_attention", "mobilenet"])
def test_lower_layers_learn_more_slowly(arch) -> None:
    network = build_network(arch, classes=2)
    optimizer = build_optimizer(network, LearnOptions(layer_decay=0.5), RECIPE)
    rates = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    named = dict(network.named_parameters())
    stem = rates[id(next(iter(named.values())))]
    last = rates[id(network.classifier.weight)]

    assert last == pytest.approx(0.1)
    assert stem < last / 4


def test_without_layer_decay_every_layer_learns_at_the_same_rate() -> None:
    optimizer = build_optimizer(build_network("mobilenet", classes=2), LearnOptions(), RECIPE)

    assert {group["lr"] for group in optimizer.param_groups} == {0.1}


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
def test_a_schedule_is_a_function_of_progress(schedule, progress, expected) -> None:
    assert lr_factor(LearnOptions(schedule=schedule, warmup=0.1), progress, []) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "plateau"])
def test_the_rate_rises_from_almost_0_during_warm_up(schedule) -> None:
    options = LearnOptions(schedule=schedule, warmup=0.2)
    rates = [lr_factor(options, progress, []) for progress in np.linspace(0, 0.2, 9)]

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
def test_the_rate_halves_after_each_two_epochs_without_a_lower_validation_loss(losses, expected) -> None:
    assert lr_factor(LearnOptions(schedule="plateau"), 0.5, losses) == expected


def test_a_rate_keeps_the_ratio_of_the_layers() -> None:
    optimizer = build_optimizer(build_network("mobilenet", classes=2), LearnOptions(layer_decay=0.5), RECIPE)
    before = [group["lr"] for group in optimizer.param_groups]

    set_learning_rate(optimizer, 0.25)

    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.25 * lr for lr in before])
