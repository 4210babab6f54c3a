"""The training loop: read it from top to bottom."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional

from schemas.errors import TrainingConfigError
from trainer.config import RunConfig
from trainer.learning.batch_size import Batching, first_batching, smaller
from trainer.learning.consumption import Consumption, Meter, total
from trainer.learning.device import make_fabric
from trainer.learning.history import EpochRecord
from trainer.learning.learner import Learner, make_learner
from trainer.learning.loader import Batch, LabelledFilms, augmented_batches, epoch_order, grouped, mixed
from trainer.learning.losses import Loss, build_loss
from trainer.learning.optim import lr_factor, set_learning_rate
from trainer.learning.strategies import apply_strategy
from trainer.learning.tensorboard import EVENTS, write_events
from trainer.networks.inference import outputs
from trainer.statistics.metrics import macro_auroc


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit that has ended; its weights are in best.safetensors."""

    history: tuple[EpochRecord, ...]
    best_epoch: int
    pretrained: str
    device: torch.device

    @property
    def consumption(self) -> Consumption:
        """What the epochs that count took, over all the processes that took part."""
        return total([record.consumption for record in self.history])


@dataclass(frozen=True, slots=True)
class _Epoch:
    """Which epoch of which fit."""

    number: int  # from 0
    of: int  # at most so many
    name: str
    seed: int
    batching: Batching


def fit(  # noqa: PLR0913 - everything that a fit is a function of, and where it tells
    config: RunConfig,
    name: str,
    seed: int,
    train: LabelledFilms,
    validation: LabelledFilms,
    *,
    directory: Path,
    progress: Progress,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    teach: Callable[[Batch], Batch] | None = None,
) -> Fit:
    """Train one network until validation stops improving; go on from the directory's checkpoint if it has one.

    Every random choice of an epoch is drawn from (seed, epoch), so that a fit that was killed and
    started again ends with the weights of one that was not.

    Args:
        config: how to train.
        name: which network.
        seed: of the initial weights, the order, the augmentation and the dropout.
        train: films that the network learns from.
        validation: films that choose the epoch to keep.
        directory: receives checkpoint.pt, best.safetensors, history.jsonl and events/ after each epoch.
        progress: where the epochs are shown.
        on_epoch: told of each epoch once its checkpoint is on disk; may raise to end the fit there.
        teach: gives each augmented batch other labels before the network learns from it.

    Raises:
        TrainingConfigError: the loss is no longer finite, the device is not there, does not compute in this
            precision, or has too little memory for two films.
        WeightsError: the pretrained weights do not fit.
    """
    fabric = make_fabric(config)
    recipe = config.recipe(name)
    loss = build_loss(config, np.bincount(train.labels, minlength=train.classes).tolist(), train.negative)
    learner = make_learner(fabric, config, name, seed, train, directory)
    batching = first_batching(learner.history, recipe.batch_size, config.accumulate)
    while len(learner.history) < recipe.epochs and len(learner.history) - 1 - learner.best_epoch < config.patience:
        epoch = _Epoch(len(learner.history), recipe.epochs, name, seed, batching)
        try:
            with Meter() as meter:
                record = _learn(fabric, learner, loss, config, epoch, train, validation, teach, progress)
        except torch.OutOfMemoryError:
            record = None
        if record is None:  # outside of the handler, which keeps what the failed step had in memory
            batching = smaller(batching, progress)
            del learner
            torch.cuda.empty_cache()
            # Half an epoch was in the weights: back to the last checkpoint, or to the beginning.
            fabric = make_fabric(config)
            learner = make_learner(fabric, config, name, seed, train, directory)
            continue
        took = meter.consumption
        learner.history.append(replace(record, cpu_seconds=took.cpu_seconds, energy_joules=took.energy_joules))
        learner.save(directory)
        write_events(directory, learner.history)
        progress.console.print(record.line(best=learner.best_epoch == record.epoch))
        if on_epoch:
            on_epoch(record)
    if not (directory / EVENTS).exists():  # of a fit that was killed between its last checkpoint and the events
        write_events(directory, learner.history)
    return Fit(tuple(learner.history), learner.best_epoch, learner.pretrained, fabric.device)


def _learn(  # noqa: PLR0913, PLR0917 - everything that an epoch is a function of, and where it tells
    fabric: Fabric,
    learner: Learner,
    loss: Loss,
    config: RunConfig,
    epoch: _Epoch,
    train: LabelledFilms,
    validation: LabelledFilms,
    teach: Callable[[Batch], Batch] | None,
    progress: Progress,
) -> EpochRecord:
    """One epoch: every film once, then the validation films."""
    started = time.perf_counter()
    apply_strategy(learner.network, config, epoch.number)
    torch.manual_seed(hash((epoch.seed, epoch.number)))  # dropout; hash of integers is the same in every process
    balanced = config.sampler == "balanced"
    order = epoch_order(train.labels, seed=epoch.seed, epoch=epoch.number, balanced=balanced)
    batches = _batches(config, epoch, train, order, progress)
    batches = map(teach, batches) if teach else batches
    steps = math.ceil(math.ceil(len(order) / epoch.batching.size) / epoch.batching.accumulate)
    train_loss = train_epoch(
        fabric,
        learner,
        loss,
        config,
        grouped(batches, epoch.batching.accumulate),
        step=epoch.number * steps,
        steps=epoch.of * steps,
    )
    trained = time.perf_counter()
    logits, _ = outputs(learner.kept, validation.films, batch_size=epoch.batching.size)
    rates = [group["lr"] for group in learner.optimizer.param_groups]
    return EpochRecord(
        epoch=epoch.number,
        lr=max(rates),
        lowest_lr=min(rates),
        train_loss=train_loss,
        val_loss=float(functional.cross_entropy(logits, torch.from_numpy(validation.labels))),
        val_auroc=float(macro_auroc(validation.labels, logits.double().softmax(1).numpy())),
        seconds=time.perf_counter() - started,
        films_per_second=len(order) / (trained - started),
        learning_parameters=sum(weight.numel() for weight in learner.network.parameters() if weight.requires_grad),
        batch_size=epoch.batching.size,
        accumulate=epoch.batching.accumulate,
    )


def _batches(
    config: RunConfig, epoch: _Epoch, train: LabelledFilms, order: NDArray[np.int64], progress: Progress
) -> Iterator[Batch]:
    """The batches of an epoch, augmented and mixed, as the progress bar counts them."""
    batches = augmented_batches(
        train,
        order,
        batch_size=epoch.batching.size,
        recipe=config.augmentation,
        seed=epoch.seed,
        epoch=epoch.number,
        workers=config.workers,
    )
    description = f"{epoch.name} seed {epoch.seed} epoch {epoch.number + 1}/{epoch.of}"
    shown = progress.track(batches, total=math.ceil(len(order) / epoch.batching.size), description=description)
    for number, batch in enumerate(shown):
        yield mixed(batch, alpha=config.mixup, classes=train.classes, draw=(epoch.seed, epoch.number, number))


def train_epoch(  # noqa: PLR0913 - the loop's parts, each used once
    fabric: Fabric,
    learner: Learner,
    loss: Loss,
    config: RunConfig,
    groups: Iterable[list[Batch]],
    *,
    step: int,
    steps: int,
) -> float:
    """One pass over the groups of batches, a step for each; the mean loss. `step` of `steps` counts over all epochs."""
    losses: list[Tensor] = []
    plateaus = [record.val_loss for record in learner.history]
    for done, group in enumerate(groups, start=step):
        set_learning_rate(learner.optimizer, lr_factor(config, done / steps, plateaus))
        weight = sum(float(loss.weight(labels).sum()) for _, labels in group)
        total = torch.zeros((), device=fabric.device)
        for images, labels in group:
            value = loss.each(learner.model(images.to(fabric.device)), labels.to(fabric.device)).sum() / weight
            fabric.backward(value)
            total += value.detach()
        if config.clip_norm:
            fabric.clip_gradients(learner.model, learner.optimizer, max_norm=config.clip_norm, error_if_nonfinite=False)
        learner.optimizer.step()
        learner.optimizer.zero_grad()
        if learner.average:
            learner.average.update(learner.network, step=done)
        losses.append(total)
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        msg = f"the training loss is {mean} after step {step + len(losses)}; lower --lr, or train in fp32"
        raise TrainingConfigError(msg)
    return mean
