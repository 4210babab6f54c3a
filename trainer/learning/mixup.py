"""Mixup: films blended with one another, and their labels with them."""

import numpy as np
import torch
from torch.nn import functional

from trainer.learning.loader import Batch


def mixed(batch: Batch, *, alpha: float, classes: int, draw: tuple[int, ...]) -> Batch:
    """Each film blended with another of the batch, and its label with the other's.

    A finding of which nothing is known on one of the two films is not known on their blend.

    Args:
        batch: films and labels, int64 [N], or of findings float32 [N, K].
        alpha: of the beta distribution from which the share of the first film is drawn; 0 leaves all as it is.
        classes: K.
        draw: what the random choice is a function of.

    Source: Zhang et al., ICLR 2018, arXiv:1710.09412.
    """
    if alpha == 0:
        return batch
    images, labels = batch.images, batch.labels
    random = np.random.default_rng(draw)
    share = float(random.beta(alpha, alpha))
    other = torch.from_numpy(random.permutation(len(labels)))
    truth = labels if labels.is_floating_point() else functional.one_hot(labels, classes).float()
    return Batch(share * images + (1 - share) * images[other], share * truth + (1 - share) * truth[other])
