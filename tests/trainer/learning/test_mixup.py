"""Mixup blends films and labels by one share."""

import numpy as np
import torch

from trainer.learning.loader import Batch
from trainer.learning.mixup import mixed


def test_films_and_labels_are_blended_by_the_same_share() -> None:
    images = torch.arange(4.0).reshape(4, 1, 1, 1)
    labels = torch.tensor([0, 1, 2, 1])
    blended, shares, *_ = mixed(Batch(images, labels), alpha=1.0, classes=3, draw=(0, 1, 2))
    random = np.random.default_rng((0, 1, 2))
    share = random.beta(1.0, 1.0)
    other = random.permutation(4)

    assert 0.01 < share < 0.99
    np.testing.assert_allclose(blended[:, 0, 0, 0], share * np.arange(4) + (1 - share) * other, rtol=1e-6)
    truth = np.eye(3)[labels.numpy()]
    np.testing.assert_allclose(shares, share * truth + (1 - share) * truth[other], rtol=1e-6)
    again = mixed(Batch(images, labels), alpha=1.0, classes=3, draw=(0, 1, 2)).images
    assert torch.equal(again, blended)


def test_without_mixup_a_batch_is_left_as_it_is() -> None:
    batch = Batch(torch.ones(2, 1, 1, 1), torch.tensor([0, 1]))

    assert mixed(batch, alpha=0.0, classes=2, draw=(0,)) is batch
