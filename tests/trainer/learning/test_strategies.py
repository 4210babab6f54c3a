"""Each strategy lets those weights learn that it names, and no others."""

from itertools import pairwise

import pytest
from torch.nn.modules.batchnorm import _BatchNorm

from tests.architectures import EACH_ARCHITECTURE
from trainer.learning.options import LearnOptions
from trainer.learning.strategies import apply_strategy, learning_stages, stages
from trainer.networks.build import build_network


def _learning(network) -> set[str]:
    return {name for name, weight in network.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("name", [*EACH_ARCHITECTURE, "timm:resnet18"])
def test_the_stages_hold_every_weight_once_from_the_stem_to_the_last_layer(name) -> None:
    network = build_network(name, classes=2)
    parts = stages(network)
    held = [id(weight) for part in parts for weight in part]

    assert len(held) == len(set(held)) == len(list(network.parameters()))
    assert len(parts) >= 3
    assert {id(weight) for weight in parts[-1]} == {id(weight) for weight in network.classifier.parameters()}
    assert id(next(iter(network.parameters()))) in {id(weight) for weight in parts[0]}


@pytest.mark.parametrize(
    ("options", "learning"),
    [
        ({"strategy": "full"}, [6, 6, 6, 6]),
        ({"strategy": "frozen"}, [1, 1, 1, 1]),
        ({"strategy": "last_stages", "stages": 2}, [3, 3, 3, 3]),
        ({"strategy": "last_stages", "stages": 50}, [6, 6, 6, 6]),
        ({"strategy": "progressive"}, [1, 2, 3, 4]),
        ({"strategy": "progressive", "unfreeze_epochs": 2}, [1, 1, 2, 2]),
    ],
)
def test_how_much_learns_is_a_function_of_the_epoch(options, learning) -> None:
    assert [learning_stages(LearnOptions(**options), epoch, 6) for epoch in range(4)] == learning


def test_a_frozen_network_learns_its_last_layer_alone_and_its_norms_stand_still() -> None:
    network = build_network("mobilenet", classes=2)
    apply_strategy(network, LearnOptions(strategy="frozen"), 0)

    assert _learning(network) == {"body.classifier.weight", "body.classifier.bias"}
    assert network.training
    assert not network.body.bn1.training


def test_the_last_stages_of_a_residual_network_are_its_last_blocks() -> None:
    network = build_network("resnet50", classes=2)
    apply_strategy(network, LearnOptions(strategy="last_stages", stages=1), 0)
    norms = {name: module for name, module in network.named_modules() if isinstance(module, _BatchNorm)}

    assert {name.split(".")[1] for name in _learning(network)} == {"layer4", "fc"}
    assert {name.split(".")[1] for name, module in norms.items() if module.training} == {"layer4"}


def test_progressive_unfreezing_goes_down_stage_by_stage_and_never_back() -> None:
    network = build_network("resnet50", classes=2)
    options = LearnOptions(strategy="progressive", unfreeze_epochs=2)
    seen = []
    for epoch in range(14):
        apply_strategy(network, options, epoch)
        seen.append({name.split(".")[1] for name in _learning(network)})

    assert seen[0] == seen[1] == {"fc"}
    assert seen[2] == {"fc", "layer4"}
    assert seen[4] == {"fc", "layer4", "layer3"}
    assert all(before <= after for before, after in pairwise(seen))
    assert len(_learning(network)) == len(list(network.named_parameters()))


def test_going_on_in_the_middle_lets_the_same_weights_learn() -> None:
    straight, resumed = (build_network("cnn_attention", classes=2) for _ in range(2))
    options = LearnOptions(strategy="progressive")
    for epoch in range(3):
        apply_strategy(straight, options, epoch)
    apply_strategy(resumed, options, 2)

    assert _learning(straight) == _learning(resumed)
    modes = [{name: module.training for name, module in network.named_modules()} for network in (straight, resumed)]
    assert modes[0] == modes[1]
    assert len(set(modes[0].values())) == 2
