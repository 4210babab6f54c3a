"""What a network says of many films."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.networks import Network


def outputs(network: Network, films: NDArray[np.float32], *, batch_size: int = 32) -> tuple[Tensor, Tensor]:
    """Logits [V, K] and embeddings [V, D], float32 on the CPU, of films [V, 1, S, S]; leaves the network in eval mode."""
    network.eval()
    device = network.mean.device
    logits, embeddings = [], []
    with torch.no_grad():
        for start in range(0, len(films), batch_size):
            images = torch.from_numpy(np.array(films[start : start + batch_size]))
            embedding = network.embed(network.features(images.to(device)))
            embeddings.append(embedding.cpu())
            logits.append(network.classifier(embedding).cpu())
    return torch.cat(logits), torch.cat(embeddings)
