"""LayerCAM at an earlier stage of a network: heat maps of at least 14 x 14 cells."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from schemas.errors import TrainingConfigError
from trainer.networks.network import Network, TimmNetwork

FINEST_CELLS = 14
"""Cells along each side that a finer map has at least, at the network's own size."""


def layercam(features: Tensor, gradients: Tensor) -> Tensor:
    """The map [N, h, w] >= 0, unscaled, of a feature map and the gradients of one logit on it, both [N, C, h, w].

    Source: Jiang et al., IEEE Trans. Image Process. 30 (2021) 5875-5888, equations 6 and 7.
    """
    return (gradients.relu() * features).sum(1).relu()


def finer_maps(
    network: Network, films: NDArray[np.float32], targets: NDArray[np.int64], *, batch_size: int = 32
) -> NDArray[np.float32]:
    """LayerCAM [V, h, w] >= 0, unscaled, at the network's fine layer; arguments as of `gradcam.explain`.

    Raises:
        TrainingConfigError: no layer of the network has 14 x 14 cells.
    """
    layer = fine_layer(network, films.shape[-1])
    if layer is None:
        msg = (
            f"layercam needs a layer with a map of {FINEST_CELLS} x {FINEST_CELLS} cells, and this network has none at "
            f"{films.shape[-1]} x {films.shape[-1]} pixels; ask for gradcam"
        )
        raise TrainingConfigError(msg)
    maps = []
    for start in range(0, len(films), batch_size):
        images = torch.from_numpy(np.array(films[start : start + batch_size])).to(network.mean.device)
        chosen = torch.from_numpy(targets[start : start + batch_size]).to(images.device)
        with cut_at(network, layer) as outputs, torch.enable_grad():
            logits = network(images).gather(1, chosen[:, None])
        (gradients,) = torch.autograd.grad(logits.sum(), outputs[0])
        maps.append(layercam(outputs[0].detach(), gradients).cpu().numpy())
    return np.concatenate(maps)


def fine_layer(network: Network, size: int) -> str | None:
    """The last stage of a network with at least 14 x 14 cells, as the path of a module; None: it has none of its own.

    That is the layer of Grad-CAM where its map is fine enough, else the end of a stage of timm's network: everything
    after it depends on the image through its output alone.

    Args:
        network: any.
        size: S.
    """
    with torch.no_grad():
        features = network.features(torch.zeros(1, 1, size, size, device=network.mean.device))
    if min(features.shape[2:]) >= FINEST_CELLS:
        return network.cam_layer
    if not isinstance(network, TimmNetwork):
        return None
    stages = [stage["module"] for stage in network.body.feature_info if size / stage["reduction"] >= FINEST_CELLS]
    return f"body.{stages[-1]}" if stages else None


@contextmanager
def cut_at(network: Network, layer: str) -> Iterator[list[Tensor]]:
    """Differentiate a network from a layer on: the layer's output becomes a leaf, and is put into the list.

    Args:
        network: any.
        layer: path of a module.
    """
    outputs: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1]

    handle = network.get_submodule(layer).register_forward_hook(cut)
    try:
        yield outputs
    finally:
        handle.remove()


def output_of(network: Network, layer: str, image: Tensor) -> Tensor:
    """The output [N, C, h, w] of a layer for films [N, 1, S, S]; what comes after it is computed and dropped."""
    outputs: list[Tensor] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _, __, output: outputs.append(output))
    try:
        network.features(image)
    finally:
        handle.remove()
    return outputs[0]


@contextmanager
def replaced_at(network: Network, layer: str, output: Tensor) -> Iterator[None]:
    """Let a network go on from a given output of a layer, whatever film it is given."""
    handle = network.get_submodule(layer).register_forward_hook(lambda *_: output)
    try:
        yield
    finally:
        handle.remove()
