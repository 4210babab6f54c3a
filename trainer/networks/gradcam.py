"""Grad-CAM, Grad-CAM++ and, at an earlier layer, LayerCAM: what in a film moved a network's answer."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.networks.layercam import finer_maps
from trainer.networks.network import Network

Method = Literal["gradcam", "gradcam++", "layercam"]

PLUS_PLUS_EPSILON = 1e-6  # of the PyPI package grad-cam; gradients near 1e-3 feel it, so agreement needs the same value


def explain(
    network: Network,
    films: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    method: Method = "gradcam",
    batch_size: int = 32,
) -> NDArray[np.float32]:
    """The maps float32 [V, h, w] >= 0, unscaled, of films; leaves the network in eval mode.

    Only what comes after the explained layer is differentiated, as in the exported graph.

    Args:
        network: on any device.
        films: float32 [V, 1, S, S] in [0, 1].
        targets: [V], the class whose logit is explained.
        method: which of them.
        batch_size: films at once.

    Raises:
        TrainingConfigError: LayerCAM is asked of a network without a layer of 14 x 14 cells.
    """
    network.eval()
    if method == "layercam":
        return finer_maps(network, films, targets, batch_size=batch_size)
    formula = gradcam if method == "gradcam" else gradcam_plus_plus
    maps = []
    for start in range(0, len(films), batch_size):
        images = torch.from_numpy(np.array(films[start : start + batch_size])).to(network.mean.device)
        with torch.no_grad():
            features = network.features(images)
        features.requires_grad_()
        chosen = torch.from_numpy(targets[start : start + batch_size]).to(features.device)
        with torch.enable_grad():
            logits = network.head(features).gather(1, chosen[:, None])
            (gradients,) = torch.autograd.grad(logits.sum(), features)
        maps.append(network.on_film(formula(features.detach(), gradients), images).cpu().numpy())
    return np.concatenate(maps)


def gradcam(features: Tensor, gradients: Tensor) -> Tensor:
    """The map [N, h, w] >= 0, unscaled, of a feature map and the gradients of one logit on it, both [N, C, h, w].

    Source: Selvaraju et al., ICCV 2017, arXiv:1610.02391.
    """
    return _weighted_sum(gradients.mean((2, 3)), features).relu()


def gradcam_plus_plus(features: Tensor, gradients: Tensor) -> Tensor:
    """The map [N, h, w] >= 0, unscaled, of a feature map and the gradients of one logit on it, both [N, C, h, w].

    Source: Chattopadhay et al., WACV 2018, arXiv:1710.11063, equation 19.
    """
    squares = gradients * gradients
    denominators = 2 * squares + features.sum((2, 3), keepdim=True) * squares * gradients + PLUS_PLUS_EPSILON
    weights = (gradients.relu() * squares / denominators).sum((2, 3))
    return _weighted_sum(weights, features).relu()


def _weighted_sum(weights: Tensor, features: Tensor) -> Tensor:
    """Over the channels: [N, C] and [N, C, h, w] to [N, h, w].

    As a matrix product: ONNX Runtime takes ten times as long for the sum over axis 1 of [1, 64, 64, 64].
    """
    return (weights[:, None] @ features.flatten(2)).view(-1, *features.shape[2:])
