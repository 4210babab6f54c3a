"""What an epoch sees is a function of seed and epoch, however many processes make it."""

import os
import signal
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from schemas.errors import TrainingConfigError
from trainer.films.regions.cage import cage_of
from trainer.films.regions.marked import MarkedFilms
from trainer.films.task import LabelledFilms
from trainer.learning.augment import RECIPES, AugmentRecipe
from trainer.learning.loader import Augmentation, Batch, augmented_batches, epoch_order
from trainer.learning.reasons.options import Reasons

LABELS = np.array([0] * 30 + [1] * 10)
FILMS = LabelledFilms(np.random.default_rng(0).random((40, 1, 16, 16), np.float32), LABELS, 2)


def _batches(*, seed=1, epoch=0, workers=1, recipe="standard"):
    order = epoch_order(LABELS, seed=seed, epoch=epoch, balanced=False)
    return list(augmented_batches(FILMS, order, Augmentation(RECIPES[recipe], seed, epoch, workers), batch_size=16))


def test_an_epoch_shows_every_film_once_with_its_label() -> None:
    images, labels = (torch.cat(parts) for parts in list(zip(*_batches(recipe="none"), strict=True))[:2])
    order = epoch_order(LABELS, seed=1, epoch=0, balanced=False)

    assert sorted(order) == list(range(40))
    assert images.shape == (40, 1, 16, 16)
    assert np.array_equal(images.numpy(), FILMS.films[order])
    assert np.array_equal(labels.numpy(), LABELS[order])


def test_the_last_batch_holds_what_is_left() -> None:
    assert [len(labels) for _, labels, *_ in _batches()] == [16, 16, 8]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread makes them, however many workers are asked for")
def test_processes_make_the_same_batches_and_draw_nothing_from_the_generator_of_the_network() -> None:
    one = _batches(workers=1)
    torch.manual_seed(5)
    many = _batches(workers=3)
    drawn = torch.rand(1)
    torch.manual_seed(5)

    assert torch.equal(drawn, torch.rand(1))
    assert all(
        torch.equal(a, b)
        for first, second in zip(one, many, strict=True)
        for a, b in zip(first[:2], second[:2], strict=True)
    )


class FatalFilms:
    """As if a film took more memory than there is."""

    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no such processes")
def test_a_process_that_is_killed_ends_the_epoch_with_the_remedy() -> None:
    augmentation = Augmentation(RECIPES["none"], 0, 0, workers=2)
    films: Any = FatalFilms()
    batches = augmented_batches(LabelledFilms(films, LABELS, 2), np.arange(40), augmentation, batch_size=8)

    with pytest.raises(TrainingConfigError, match=r"DataLoader worker .*set fewer learn\.workers"):
        list(batches)


def test_another_epoch_or_seed_has_another_order_and_other_variations() -> None:
    first = torch.cat([images for images, *_ in _batches()])

    assert not torch.equal(first, torch.cat([images for images, *_ in _batches(epoch=1)]))
    assert not torch.equal(first, torch.cat([images for images, *_ in _batches(seed=2)]))


def test_a_balanced_epoch_draws_each_class_equally_often() -> None:
    drawn = np.concatenate([LABELS[epoch_order(LABELS, seed=0, epoch=e, balanced=True)] for e in range(50)])

    assert len(drawn) == 50 * 40
    assert abs(drawn.mean() - 0.5) < 0.05


def test_a_film_that_cannot_be_read_stops_the_epoch() -> None:
    batches = augmented_batches(FILMS, np.array([0, 99]), Augmentation(RECIPES["none"], 0, 0), batch_size=2)

    with pytest.raises(IndexError, match="99"):
        list(batches)


def marked_films() -> LabelledFilms:
    """FILMS, of which two have lungs in their left half, and one a finding in them."""
    left = np.zeros((16, 16), bool)
    left[4:12, 2:8] = True
    marks = MarkedFilms({0: left, 30: left}, {30: (left, np.array([0, 1], np.float32))}, "")
    return replace(FILMS, marks=marks)


def _with_reasons(reasons: Reasons, recipe: AugmentRecipe = RECIPES["none"]) -> Batch:
    augmentation = Augmentation(recipe, 1, 0, reasons=reasons)
    return next(augmented_batches(marked_films(), np.array([0, 5, 30]), augmentation, batch_size=3))


def test_evidence_moves_with_its_film() -> None:
    plain = _with_reasons(Reasons(attention=1)).evidence
    mirrored = AugmentRecipe(horizontal_flip=True)
    sides = set()
    for epoch in range(8):
        augmentation = Augmentation(mirrored, 1, epoch, reasons=Reasons(attention=1))
        batch = next(augmented_batches(marked_films(), np.array([30]), augmentation, batch_size=1))
        was_mirrored = np.array_equal(batch.images[0, 0].numpy(), FILMS.films[30, 0, :, ::-1])
        sides.add(was_mirrored)
        assert (batch.evidence.masks[0, :, 8:].sum() > 0) == was_mirrored

    assert plain.rows.tolist() == [2]
    assert plain.explained.tolist() == [[0, 1]]
    assert plain.masks[0, 4:12, 2:8].min() == 1
    assert plain.masks.sum() == 8 * 6
    assert sides == {False, True}


def test_a_film_and_its_twin_differ_outside_of_the_cage_alone() -> None:
    batch = _with_reasons(Reasons(consistency=1))
    cage = cage_of(marked_films().marks.lungs[0])

    assert batch.twins.rows.tolist() == [0, 2]
    for row, twin in zip(batch.twins.rows.tolist(), batch.twins.images, strict=True):
        assert torch.equal(batch.images[row, 0][cage], twin[0][cage])
        assert not torch.equal(batch.images[row, 0][~cage], twin[0][~cage])


def test_backgrounds_are_replaced_where_lungs_are_marked_and_the_twin_keeps_its_own() -> None:
    batch = _with_reasons(Reasons(background=1, consistency=1))
    plain = FILMS.films[[0, 5, 30]]

    changed = [not np.array_equal(image, own) for image, own in zip(batch.images.numpy(), plain, strict=True)]
    assert changed == [True, False, True]
    assert np.array_equal(batch.twins.images.numpy(), plain[[0, 2]])


def test_marks_change_nothing_where_nothing_is_asked_of_them() -> None:
    asked, plain = (
        _with_reasons(Reasons(), RECIPES["standard"]),
        _with_reasons(Reasons(attention=1), RECIPES["standard"]),
    )

    assert torch.equal(asked.images, plain.images)
    assert asked.evidence is None
    assert asked.twins is None
