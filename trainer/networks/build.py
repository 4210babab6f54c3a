"""Networks by their name in the table of architectures."""

import torch

from schemas.errors import TrainingConfigError
from trainer.networks.architectures import Architecture, architecture
from trainer.networks.designs import ConvolutionalDesign, TimmDesign
from trainer.networks.lungs.guide import GuideNetwork
from trainer.networks.lungs.guided import GuidedNetwork
from trainer.networks.network import ConvolutionalNetwork, Network, TimmNetwork, VggNetwork


def build_network(
    name: str,
    *,
    classes: int,
    size: int | None = None,
    dropout: float | None = None,
    guide: GuideNetwork | None = None,
) -> Network:
    """The network called `name`, with random weights from torch's global generator.

    Args:
        name: a row of `ARCHITECTURES`, or `timm:<name>`.
        classes: K, the number of logits.
        size: S, the side of the films it must accept, or behind a guide of the part that it sees; default: the row's.
        dropout: before the last linear layer, in [0, 1); default: the row's.
        guide: stands before the network and is frozen.

    Raises:
        TrainingConfigError: no such architecture, or one that has no feature map [N, C, h, w] at this size.
    """
    row = architecture(name)
    network = build_row(row, classes, dropout)
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
    return (network if guide is None else GuidedNetwork(guide, network, side)).train()


def build_row(row: Architecture, classes: int, dropout: float | None = None) -> Network:
    """The network of a row for `classes` classes, with random weights; `dropout` replaces the row's."""
    share = row.dropout if dropout is None else dropout
    if isinstance(row.network, ConvolutionalDesign):
        return ConvolutionalNetwork(classes, share, row.network)
    if callable(row.network):
        return row.network(classes, share)
    design = TimmDesign(row.timm_name or "", row.timm_arguments, row.cam_layer, row.mean, row.std)
    return VggNetwork(classes, share, design) if row.network == "vgg" else TimmNetwork(classes, share, design)
