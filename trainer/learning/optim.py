"""The optimizer and the schedule of the learning rate."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from timm.optim._param_groups import param_groups_layer_decay
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from trainer.learning.options import LearnOptions
from trainer.networks.architectures import Recipe
from trainer.networks.network import Network, TimmNetwork

_PLATEAU_EPOCHS = 2  # epochs without a lower validation loss that halve the rate
_STEPS = (0.6, 0.85)  # shares of the run after which the rate falls to a tenth


def build_optimizer(network: Network, options: LearnOptions, recipe: Recipe) -> Optimizer:
    """The optimizer of all weights, also of those that learn later.

    Biases and norms do not decay; lower layers learn more slowly. A step is one call for all weights of a group where
    torch has one, and not a dozen for each weight: 1.05 to 1.09 times as many films of 64 x 64 a second on a CPU.
    """
    learner = network.learner
    body = learner.body if isinstance(learner, TimmNetwork) else learner
    groups: list[dict[str, Any]] = param_groups_layer_decay(
        body, weight_decay=recipe.weight_decay, layer_decay=options.layer_decay
    )
    for group in groups:
        group["peak_lr"] = group["lr"] = recipe.lr * group.pop("lr_scale")
    fused = options.precision != "fp16"  # it would undo the scale of fp16's gradients itself: then nobody can clip them
    kinds: dict[str, Callable[[], Optimizer]] = {
        "adamw": lambda: AdamW(groups, fused=fused),
        "adam": lambda: Adam(groups, fused=fused),
        "sgd": lambda: SGD(groups, momentum=0.9, nesterov=True, fused=fused),
        "rmsprop": lambda: RMSprop(groups, momentum=0.9),
    }
    return kinds[options.optimizer]()


def lr_factor(options: LearnOptions, progress: float, validation_losses: Sequence[float]) -> float:
    """The share of the peak learning rate to use: a pure function, so that a resumed run needs no scheduler state.

    Args:
        options: which schedule, and the warm-up's share of the run.
        progress: share of all steps done, in [0, 1).
        validation_losses: of the epochs done.
    """
    if progress < options.warmup:
        return (progress + 1e-3) / (options.warmup + 1e-3)
    if options.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (progress - options.warmup) / (1 - options.warmup)))
    if options.schedule == "step":
        return 0.1 ** sum(progress >= step for step in _STEPS)
    if options.schedule == "plateau":
        return 0.5 ** _plateaus(validation_losses)
    return 1.0


def _plateaus(losses: Sequence[float]) -> int:
    """How often the loss went `_PLATEAU_EPOCHS` epochs without a new minimum."""
    plateaus = 0
    waited = 0
    lowest = math.inf
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == _PLATEAU_EPOCHS:
            plateaus = plateaus + 1
            waited = 0
    return plateaus


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Set each group's rate to its share of the peak."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak_lr"]
