"""Batches of augmented films, made ahead of the network, each a pure function of seed, epoch and film."""

import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from schemas.errors import TrainingConfigError
from trainer.films.task import LabelledFilms, Labels
from trainer.learning.augment import AugmentRecipe, apply, load_libraries, vary
from trainer.learning.reasons.backgrounds import has_another_background, on_another_background
from trainer.learning.reasons.options import NOTHING, Reasons
from trainer.together import ALONE, Together


class Evidence(NamedTuple):
    """Where the heat of some films of a batch belongs."""

    rows: Tensor
    """int64 [E], which films of the batch."""
    explained: Tensor
    """float32 [E, K], 1 for the classes whose heat it is."""
    masks: Tensor
    """float32 [E, S, S], 1 where it belongs."""


class Twins(NamedTuple):
    """Some films of a batch on another background, varied as the films are."""

    rows: Tensor
    """int64 [T], which films of the batch."""
    images: Tensor
    """float32 [T, 1, S, S]."""


class Batch(NamedTuple):
    """Films, and what a network learns of them."""

    images: Tensor
    """float32 [N, 1, S, S]."""
    labels: Tensor
    """As `trainer.learning.losses.PerFilm` takes them."""
    evidence: Evidence | None = None
    """None: nothing is asked of the heat, or no film of the batch has marks."""
    twins: Twins | None = None
    """None: nothing is asked of the background, or no film of the batch has marked lungs."""


Arrays = tuple[NDArray[np.float32], Labels, list[NDArray[Any]], list[NDArray[Any]]]
"""What a `Batch` is made of: films, labels, and the parts of its evidence and of its twins, empty where it has none."""

Make = Callable[[NDArray[np.int64]], Arrays]
"""Makes what stands for the films of these indices."""

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
    """1: a thread of this process; more: processes."""
    reasons: Reasons = NOTHING
    """What is asked of films with marks."""


def augmented_batches(
    films: LabelledFilms,
    order: NDArray[np.int64],
    augmentation: Augmentation,
    *,
    batch_size: int,
    together: Together = ALONE,
) -> Iterator[Batch]:
    """Batches of `order`, augmented ahead of the caller; of each the part of this process.

    Args:
        films: prepared, with their labels.
        order: indices of films.
        augmentation: how, and what the random choices are a function of.
        batch_size: films in all processes; the last batch may be smaller.
        together: the processes that learn from them.

    Raises:
        TrainingConfigError: a process that augments was killed.
    """
    make = partial(_arrays, films, augmentation)
    parts = together.cut(order, batch_size)
    apart = augmentation.workers > 1 and sys.platform == "linux"  # elsewhere a process with threads must not fork
    made = _made_by_processes(make, parts, augmentation.workers) if apart else _made_by_a_thread(make, parts)
    return map(_batch, made)


def _made_by_a_thread(make: Make, parts: Sequence[NDArray[np.int64]]) -> Iterator[Arrays]:
    waiting: deque[Future[Arrays]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="augment") as pool:
        for part in parts:
            waiting.append(pool.submit(make, part))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _made_by_processes(make: Make, parts: Sequence[NDArray[np.int64]], workers: int) -> Iterator[Arrays]:
    """As they are forked, the films are in memory once; threads would share one interpreter, and make no more."""
    load_libraries()
    with warnings.catch_warnings():  # of more workers than cores, and since Python 3.12 of a fork beside threads
        warnings.simplefilter("ignore")
        loader = DataLoader(
            _Parts(make, parts),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=_AHEAD,
            collate_fn=lambda arrays: arrays,  # by a pipe; tensors would need /dev/shm, of which a container has 64 MB
            multiprocessing_context="fork",
            generator=torch.Generator(),  # the default one is for dropout, whatever number of workers there are
        )
        made = iter(loader)
    try:
        yield from made
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        msg = f"{error}; a process that augments films was ended, mostly for want of memory: set fewer learn.workers"
        raise TrainingConfigError(msg) from error


class _Parts(Dataset[Arrays]):
    """What makes each part, in the words of PyTorch's loader."""

    def __init__(self, make: Make, parts: Sequence[NDArray[np.int64]]) -> None:
        self._make = make
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, number: int) -> Arrays:
        return self._make(self._parts[number])


def _arrays(films: LabelledFilms, augmentation: Augmentation, indices: NDArray[np.int64]) -> Arrays:
    shown = [_shown(films, augmentation, int(index)) for index in indices]
    evidence = [(row, each.explained, each.evidence) for row, each in enumerate(shown) if each.evidence is not None]
    twins = [(row, each.twin) for row, each in enumerate(shown) if each.twin is not None]
    return (
        np.stack([each.film for each in shown]),
        films.labels[indices],
        [np.stack(parts) for parts in zip(*evidence, strict=True)],
        [np.stack(parts) for parts in zip(*twins, strict=True)],
    )


def _batch(arrays: Arrays) -> Batch:
    films, labels, evidence, twins = arrays
    return Batch(
        torch.from_numpy(films),
        torch.from_numpy(labels),
        Evidence(*map(_tensor, evidence)) if evidence else None,
        Twins(*map(_tensor, twins)) if twins else None,
    )


def _tensor(array: NDArray[Any]) -> Tensor:
    """Masks as float32."""
    return torch.from_numpy(array.astype(np.float32) if array.dtype == np.bool_ else array)


@dataclass(frozen=True, slots=True)
class _Shown:
    """One film as an epoch shows it."""

    film: NDArray[np.float32]
    explained: NDArray[np.float32] | None = None
    evidence: NDArray[np.bool_] | None = None
    twin: NDArray[np.float32] | None = None


def _shown(films: LabelledFilms, augmentation: Augmentation, index: int) -> _Shown:
    """A film, varied; where it has marks and they are asked for, with them."""
    recipe, reasons = augmentation.recipe, augmentation.reasons
    draw = int(np.random.SeedSequence((augmentation.seed, augmentation.epoch, index)).generate_state(1)[0])
    film = films.drawn(index, draw)
    if films.marks is None:
        return _Shown(apply(recipe, film, draw))
    has_lungs = index in films.marks.lungs
    other = on_another_background(films, index, film, draw) if has_lungs and reasons.uses_backgrounds else None
    twin = apply(recipe, other, draw) if other is not None and reasons.consistency else None
    if other is not None and has_another_background(reasons.background, draw):
        film = other
        twin = None if twin is None else apply(recipe, films.drawn(index, draw), draw)
    mask, explained = films.marks.evidence.get(index, (None, None)) if reasons.attention else (None, None)
    varied, moved = vary(recipe, film, draw, mask)
    if moved is None or not moved.any():  # the variation may have moved it off the film
        return _Shown(varied, twin=twin)
    return _Shown(varied, explained, moved, twin)


def grouped(batches: Iterable[Batch], count: int) -> Iterator[list[Batch]]:
    """Batches in groups of `count`, the last may be smaller: those whose gradients make one step."""
    rest = iter(batches)
    while group := list(islice(rest, count)):
        yield group
