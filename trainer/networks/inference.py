"""The outputs of a network on many films."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.networks.network import Network
from trainer.networks.views import FILM, View


def outputs(
    network: Network, films: NDArray[np.float32], *, views: Sequence[View] = (FILM,), batch_size: int = 32
) -> tuple[Tensor, Tensor]:
    """Logits [V, K] and embeddings [V, D], float32 on the CPU, of films [V, 1, S, S]; leaves the network in eval mode.

    Logits, not probabilities, are averaged over the views: the temperature, which is fitted after that, stays the
    only thing between them and probabilities, and a single sure view does not saturate the mean.

    Args:
        network: on any device.
        films: float32 [V, 1, S, S] in [0, 1].
        views: of each film.
        batch_size: films in one forward pass.

    Source: Shanmugam et al., Better Aggregation in Test-Time Augmentation, ICCV 2021, arXiv:2011.11156 (the mean is
        hard to beat).
    """
    network.eval()
    device = network.mean.device
    logits = []
    embeddings = []
    with torch.no_grad():
        for start in range(0, len(films), batch_size):
            images = torch.from_numpy(np.array(films[start : start + batch_size])).to(device)
            embedded = [network.embed(network.features(view.of(images))) for view in views]
            embeddings.append(torch.stack(embedded).mean(0).cpu())
            logits.append(torch.stack([network.classifier(embedding) for embedding in embedded]).mean(0).cpu())
    return torch.cat(logits), torch.cat(embeddings)


def seen(network: Network, films: NDArray[np.float32], *, batch_size: int = 32) -> Mapping[str, NDArray[np.float32]]:
    """What the network's guide says of films [V, 1, S, S]: `lungs` [V, h, w] and `traits` [V, T]; or nothing."""
    network.eval()
    device = network.mean.device
    parts: dict[str, list[NDArray[np.float32]]] = {}
    with torch.no_grad():
        for start in range(0, len(films), batch_size):
            images = torch.from_numpy(np.array(films[start : start + batch_size])).to(device)
            for name, output in network.seen(images).items():
                parts.setdefault(name, []).append(output.cpu().numpy())
            if not parts:
                break
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
