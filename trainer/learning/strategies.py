"""Which weights of a network learn in an epoch: the transfer strategies."""

from typing import Any

from timm.models._manipulate import group_parameters
from torch import nn
from torch.nn import Parameter
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.learning.options import LearnOptions
from trainer.networks.network import Network, TimmNetwork


def stages(network: Network) -> list[list[Parameter]]:
    """The weights of a network from the stem up: each stage of its body, and last the layers that make logits.

    The stages of a network of timm are timm's own coarse groups.
    """
    body: Any = network.body if isinstance(network, TimmNetwork) else network
    named = dict(body.named_parameters())
    head = {id(weight) for weight in network.classifier.parameters()}
    groups = group_parameters(body, body.group_matcher(coarse=True)).values()
    stages_of_body = [[named[name] for name in names if id(named[name]) not in head] for names in groups]
    return [*(group for group in stages_of_body if group), list(network.classifier.parameters())]


def learning_stages(options: LearnOptions, epoch: int, count: int) -> int:
    """How many of `count` stages learn in an epoch, counted from the last layer: a pure function, so that runs resume.

    Args:
        options: the strategy.
        epoch: from 0.
        count: stages of the network.
    """
    learning = {
        "full": count,
        "frozen": 1,
        "last_stages": 1 + options.stages,
        "progressive": 1 + epoch // options.unfreeze_epochs,
    }
    return min(count, learning[options.strategy])


def apply_strategy(network: Network, options: LearnOptions, epoch: int) -> None:
    """Let those weights learn that the strategy lets learn in this epoch, and put the network in train mode.

    Batch norms whose weights stand still stay in eval mode: their statistics stand still, too.
    """
    parts = stages(network.learner)
    learning = learning_stages(options, epoch, len(parts))
    network.learner.requires_grad_(requires_grad=learning == len(parts))
    for part in parts[-learning:]:
        for weight in part:
            weight.requires_grad = True
    network.train()
    for module in network.learner.modules():
        if isinstance(module, _BatchNorm) and not _learns(module):
            module.eval()


def _learns(module: nn.Module) -> bool:
    weights = list(module.parameters())
    return not weights or any(weight.requires_grad for weight in weights)
