"""The table of architectures: what training and export must know about each network, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from schemas.errors import TrainingConfigError
from trainer.networks.network import (
    ConvolutionalDesign,
    ConvolutionalNetwork,
    Network,
    TimmDesign,
    TimmNetwork,
    VggNetwork,
)

HALF = (0.5, 0.5, 0.5)
TIMM_PREFIX = "timm:"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Defaults of the training options."""

    lr: float = 1e-3
    weight_decay: float = 0.02
    batch_size: int = 32
    epochs: int = 30


FINE_TUNE = Recipe(lr=3e-4, weight_decay=0.02, batch_size=32, epochs=8)
# VGG and ConvNeXt do not learn at the rate above: after three epochs on 300 films their AUROC was .28 and .56.
FINE_TUNE_SLOWLY = Recipe(lr=1e-4, weight_decay=0.02, batch_size=32, epochs=8)


@dataclass(frozen=True, slots=True)
class Architecture:
    """One network as training and export need it."""

    timm_name: str | None  # None: defined in trainer/networks/network.py
    input_size: int  # S: the network sees float32 [N, 1, S, S] in [0, 1]
    cam_layer: str  # the module whose output, [N, C, h, w], is explained; timm: a path inside timm's network
    network: Callable[..., Network] = TimmNetwork
    timm_arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    mean: tuple[float, ...] = IMAGENET_DEFAULT_MEAN  # input normalisation, of pixels in [0, 1]
    std: tuple[float, ...] = IMAGENET_DEFAULT_STD
    dropout: float = 0.5  # before the last linear layer
    recipe: Recipe = FINE_TUNE

    def build(self, classes: int, dropout: float | None = None) -> Network:
        """The network for `classes` classes, with random weights; `dropout` replaces the row's."""
        share = self.dropout if dropout is None else dropout
        if self.timm_name is None:
            return self.network(classes, share)
        design = TimmDesign(self.timm_name, self.timm_arguments, self.cam_layer, self.mean, self.std)
        return self.network(classes, share, design)


def _own(*channels: int, hidden: int, norm: bool, attention: bool = False) -> Architecture:
    """A row of a small network that is trained from scratch."""
    network = partial(ConvolutionalNetwork, design=ConvolutionalDesign(channels, hidden, norm, attention))
    return Architecture(None, 128, "trunk", network, recipe=Recipe())


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "cnn_baseline": _own(32, 64, hidden=0, norm=False),
        "cnn4": _own(32, 64, 128, 256, hidden=256, norm=True),
        "cnn_attention": _own(32, 64, 128, 256, hidden=256, norm=True, attention=True),
        "mobilenet": Architecture(
            "mobilenetv1_100",
            224,
            "blocks",
            # The padding and epsilon of TensorFlow, with which the weights were trained.
            timm_arguments=MappingProxyType({"pad_type": "same", "bn_eps": 1e-3}),
            mean=HALF,
            std=HALF,
        ),
        "tf_efficientnet_lite0": Architecture("tf_efficientnet_lite0", 224, "bn2", mean=HALF, std=HALF),
        "resnet50": Architecture("resnet50", 224, "layer4"),
        "vgg16": Architecture("vgg16", 224, "features.29", VggNetwork, recipe=FINE_TUNE_SLOWLY),
        "vgg16_bn": Architecture("vgg16_bn", 224, "features.42", VggNetwork, recipe=FINE_TUNE_SLOWLY),
        "densenet121": Architecture("densenet121", 224, "features"),
        "efficientnet_b0": Architecture("efficientnet_b0", 224, "bn2"),
        "mobilenetv3_large_100": Architecture("mobilenetv3_large_100", 224, "blocks"),
        "convnext_tiny": Architecture("convnext_tiny", 224, "stages", recipe=FINE_TUNE_SLOWLY),
    }
)


def architecture(name: str) -> Architecture:
    """The row called `name`, or the row of any other network of timm for `timm:<its name>`.

    Raises:
        TrainingConfigError: no such row, or no such network in timm.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    timm_name = name.removeprefix(TIMM_PREFIX)
    if timm_name == name or not timm.is_model(timm_name):
        known = ", ".join(ARCHITECTURES)
        msg = f"no architecture is called {name!r}; known: {known}, and {TIMM_PREFIX}<name> for any network of timm"
        raise TrainingConfigError(msg)
    config: Any = timm.get_pretrained_cfg(timm_name)
    # Its feature map is what forward_features returns; no single submodule need have that output.
    return Architecture(timm_name, config.input_size[-1], "", mean=config.mean, std=config.std)


def build_network(name: str, *, classes: int, size: int | None = None, dropout: float | None = None) -> Network:
    """The network called `name`, with random weights from torch's global generator.

    Args:
        name: a row of `ARCHITECTURES`, or `timm:<name>`.
        classes: K, the number of logits.
        size: S, the side of the films it must accept; default: the row's.
        dropout: before the last linear layer, in [0, 1); default: the row's.

    Raises:
        TrainingConfigError: no such architecture, or one that has no feature map [N, C, h, w] at this size.
    """
    row = architecture(name)
    network = row.build(classes, dropout)
    side = size or row.input_size
    try:
        with torch.no_grad():
            shape = network.eval().locate(torch.zeros(1, 1, side, side)).shape
    except (AssertionError, RuntimeError) as error:
        msg = f"{name} cannot take films of {side} x {side} pixels: {error}; its own size is {row.input_size}"
        raise TrainingConfigError(msg) from error
    if len(shape) != 4 or min(shape[2:]) < 2:  # noqa: PLR2004 - [N, C, h, w]; one cell explains nothing
        msg = (
            f"{name} has no feature map [N, C, h, w] at {side} x {side} pixels but {tuple(shape)}; choose another size"
        )
        raise TrainingConfigError(msg)
    return network.train()
