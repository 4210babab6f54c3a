"""Batches of augmented films, made ahead of the network, each a pure function of seed, epoch and film."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schemas.errors import TrainingConfigError
from trainer.films.task import LabelledFilms, Labels
from trainer.learning.augment import AugmentRecipe, apply

Batch = tuple[Tensor, Tensor]
"""float32 [N, 1, S, S], and labels as `trainer.learning.losses.PerFilm` takes them."""

_AHEAD = 4  # batches per worker: enough to ride over a slow film, and no more memory than that


def epoch_order(labels: Labels, *, seed: int, epoch: int, balanced: bool) -> NDArray[np.int64]:
    """The films of one epoch, in order: all of them shuffled, or as many drawn so that each class is equally likely.

    Args:
        labels: int64 [V], or of findings float32 [V, K].
        seed: of the trial.
        epoch: from 0.
        balanced: draw with replacement, classes equally likely.

    Raises:
        TrainingConfigError: `balanced` of findings: to draw one of them more often is to draw its companions, too.
    """
    random = np.random.default_rng((seed, epoch))
    if not balanced:
        return random.permutation(len(labels))
    if labels.ndim > 1:
        msg = (
            "sampler=balanced draws classes that exclude one another, and a film may have several findings here; "
            "weight them by class_weights, or choose loss=asymmetric"
        )
        raise TrainingConfigError(msg)
    frequency = np.bincount(labels)[labels].astype(np.float64)
    return random.choice(len(labels), size=len(labels), p=1 / frequency / (1 / frequency).sum())


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How the films of one epoch are augmented."""

    recipe: AugmentRecipe
    seed: int
    """Of the trial."""
    epoch: int
    """From 0."""
    workers: int = 1
    """Number of threads."""


def augmented_batches(
    films: LabelledFilms, order: NDArray[np.int64], augmentation: Augmentation, *, batch_size: int
) -> Iterator[Batch]:
    """Batches of `order`, augmented in threads ahead of the caller.

    Args:
        films: prepared, with their labels.
        order: indices of films.
        augmentation: how, and what the random choices are a function of.
        batch_size: N; the last batch may be smaller.
    """
    seeds = (augmentation.seed, augmentation.epoch)

    def make(indices: NDArray[np.int64]) -> Batch:
        batch = np.empty((len(indices), *films.films.shape[1:]), np.float32)
        for row, index in zip(batch, indices, strict=True):
            draw = int(np.random.SeedSequence((*seeds, int(index))).generate_state(1)[0])
            row[:] = apply(augmentation.recipe, films.drawn(int(index), draw), draw)
        return torch.from_numpy(batch), torch.from_numpy(films.labels[indices])

    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(augmentation.workers, thread_name_prefix="augment") as pool:
        for part in parts:
            waiting.append(pool.submit(make, part))
            if len(waiting) > _AHEAD * augmentation.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def grouped(batches: Iterable[Batch], count: int) -> Iterator[list[Batch]]:
    """Batches in groups of `count`, the last may be smaller: those whose gradients make one step."""
    rest = iter(batches)
    while group := list(islice(rest, count)):
        yield group
