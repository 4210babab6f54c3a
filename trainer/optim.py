"""What drives the weights: the loss, the optimizer and the learning rate's course."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from timm.optim._param_groups import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from trainer.architectures import Recipe
from trainer.config import RunConfig
from trainer.networks import Network, TimmNetwork

Loss = Callable[[Tensor, Tensor], Tensor]

_PLATEAU_EPOCHS = 2  # epochs without a lower validation loss that halve the rate
_STEPS = (0.6, 0.85)  # shares of the run after which the rate falls to a tenth


def build_loss(config: RunConfig, class_counts: Sequence[int]) -> Loss:
    """The loss of logits [N, K] and labels int64 [N], a mean over the batch.

    Args:
        config: which loss, and its parameters.
        class_counts: training films of each class.

    Source: focal loss, Lin et al., ICCV 2017, arXiv:1708.02002, eq. 5.
    """
    counts = torch.tensor(class_counts, dtype=torch.float32)
    weight = counts.sum() / (len(counts) * counts) if config.class_weights else None

    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        scale = None if weight is None else weight.to(logits.device)
        return functional.cross_entropy(logits, labels, weight=scale, label_smoothing=config.label_smoothing)

    def focal(logits: Tensor, labels: Tensor) -> Tensor:
        scale = None if weight is None else weight.to(logits.device)
        each = functional.cross_entropy(
            logits, labels, weight=scale, label_smoothing=config.label_smoothing, reduction="none"
        )
        truth = functional.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0].exp()
        return ((1 - truth) ** config.focal_gamma * each).mean()

    return focal if config.loss == "focal" else cross_entropy


def freeze(network: Network, config: RunConfig) -> None:
    """Let only the last linear layer learn, where the strategy says so."""
    if config.strategy == "frozen":
        network.requires_grad_(requires_grad=False)
        network.classifier.requires_grad_(requires_grad=True)


def train_mode(network: Network, config: RunConfig) -> None:
    """Put a network in train mode; what is frozen stays in eval mode, so that its batch norms stand still too."""
    network.train()
    if config.strategy == "frozen":
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - torch names no public base
                module.eval()


def build_optimizer(network: Network, config: RunConfig, recipe: Recipe) -> Optimizer:
    """The optimizer over the weights that learn; biases and norms do not decay, lower layers learn more slowly."""
    body = network.body if isinstance(network, TimmNetwork) else network
    groups: list[dict[str, Any]] = param_groups_layer_decay(
        body, weight_decay=recipe.weight_decay, layer_decay=config.layer_decay
    )
    for group in groups:
        group["peak_lr"] = group["lr"] = recipe.lr * group.pop("lr_scale")
    kinds: dict[str, Callable[[], Optimizer]] = {
        "adamw": lambda: AdamW(groups),
        "adam": lambda: Adam(groups),
        "sgd": lambda: SGD(groups, momentum=0.9, nesterov=True),
        "rmsprop": lambda: RMSprop(groups, momentum=0.9),
    }
    return kinds[config.optimizer]()


def lr_factor(config: RunConfig, progress: float, validation_losses: Sequence[float]) -> float:
    """The share of the peak learning rate to use: a pure function, so that a resumed run needs no scheduler state.

    Args:
        config: which schedule, and the warm-up's share of the run.
        progress: share of all steps done, in [0, 1).
        validation_losses: of the epochs done.
    """
    if progress < config.warmup:
        return (progress + 1e-3) / (config.warmup + 1e-3)
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (progress - config.warmup) / (1 - config.warmup)))
    if config.schedule == "step":
        return 0.1 ** sum(progress >= step for step in _STEPS)
    if config.schedule == "plateau":
        return 0.5 ** _plateaus(validation_losses)
    return 1.0


def _plateaus(losses: Sequence[float]) -> int:
    """How often the loss went `_PLATEAU_EPOCHS` epochs without a new minimum."""
    plateaus, waited, lowest = 0, 0, math.inf
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == _PLATEAU_EPOCHS:
            plateaus, waited = plateaus + 1, 0
    return plateaus


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Set each group's rate to its share of the peak."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak_lr"]
