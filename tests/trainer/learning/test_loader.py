"""What an epoch sees is a function of seed and epoch, however many threads make it."""

import numpy as np
import pytest
import torch

from trainer.films.task import LabelledFilms
from trainer.learning.augment import RECIPES
from trainer.learning.loader import Augmentation, augmented_batches, epoch_order

LABELS = np.array([0] * 30 + [1] * 10)
FILMS = LabelledFilms(np.random.default_rng(0).random((40, 1, 16, 16), np.float32), LABELS, 2)


def _batches(*, seed=1, epoch=0, workers=1, recipe="standard"):
    order = epoch_order(LABELS, seed=seed, epoch=epoch, balanced=False)
    return list(augmented_batches(FILMS, order, Augmentation(RECIPES[recipe], seed, epoch, workers), batch_size=16))


def test_an_epoch_shows_every_film_once_with_its_label() -> None:
    images, labels = (torch.cat(parts) for parts in zip(*_batches(recipe="none"), strict=True))
    order = epoch_order(LABELS, seed=1, epoch=0, balanced=False)

    assert sorted(order) == list(range(40))
    assert images.shape == (40, 1, 16, 16)
    assert np.array_equal(images.numpy(), FILMS.films[order])
    assert np.array_equal(labels.numpy(), LABELS[order])


def test_the_last_batch_holds_what_is_left() -> None:
    assert [len(labels) for _, labels in _batches()] == [16, 16, 8]


def test_more_threads_make_the_same_batches() -> None:
    one = _batches(workers=1)
    many = _batches(workers=4)

    assert all(
        torch.equal(a, b) for first, second in zip(one, many, strict=True) for a, b in zip(first, second, strict=True)
    )


def test_another_epoch_or_seed_has_another_order_and_other_variations() -> None:
    first = torch.cat([images for images, _ in _batches()])

    assert not torch.equal(first, torch.cat([images for images, _ in _batches(epoch=1)]))
    assert not torch.equal(first, torch.cat([images for images, _ in _batches(seed=2)]))


def test_a_balanced_epoch_draws_each_class_equally_often() -> None:
    drawn = np.concatenate([LABELS[epoch_order(LABELS, seed=0, epoch=e, balanced=True)] for e in range(50)])

    assert len(drawn) == 50 * 40
    assert abs(drawn.mean() - 0.5) < 0.05


def test_a_film_that_cannot_be_read_stops_the_epoch() -> None:
    batches = augmented_batches(FILMS, np.array([0, 99]), Augmentation(RECIPES["none"], 0, 0), batch_size=2)

    with pytest.raises(IndexError, match="99"):
        list(batches)
