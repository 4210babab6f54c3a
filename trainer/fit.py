"""The training loop: read it from top to bottom."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional

from schemas.errors import TrainingConfigError
from trainer.batches import Batch, LabelledFilms, augmented_batches, epoch_order, grouped, mixed
from trainer.config import RunConfig
from trainer.history import EpochRecord
from trainer.inference import outputs
from trainer.learner import Learner, make_learner
from trainer.losses import Loss, build_loss
from trainer.metrics import macro_auroc
from trainer.optim import lr_factor, set_learning_rate
from trainer.strategies import apply_strategy
from trainer.tensorboard import write_events

_PRECISION: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_SMALLEST_BATCH = 2  # batch norm needs two films


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit that has ended; its weights are in best.safetensors."""

    history: tuple[EpochRecord, ...]
    best_epoch: int
    pretrained: str
    device: torch.device

    @property
    def seconds(self) -> float:
        """Time spent in epochs that count, over all the processes that took part."""
        return sum(record.seconds for record in self.history)


@dataclass(frozen=True, slots=True)
class _Batching:
    """How the films of an epoch are cut: films at once, and batches for one step."""

    size: int
    accumulate: int

    def halved(self) -> "_Batching":
        """Half as many films at once, and as many for one step as before."""
        return _Batching(-(-self.size // 2), self.accumulate * 2)


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

    Raises:
        TrainingConfigError: the loss is no longer finite, the device is not there, does not compute in this
            precision, or has too little memory for two films.
        WeightsError: the pretrained weights do not fit.
    """
    fabric, recipe = _fabric(config), config.recipe(name)
    counts = np.bincount(train.labels, minlength=train.classes).tolist()
    loss = build_loss(config, counts, train.negative)
    learner = make_learner(fabric, config, name, seed, train, directory)
    batching = _batching(learner, recipe.batch_size, config.accumulate)
    while len(learner.history) < recipe.epochs and len(learner.history) - 1 - learner.best_epoch < config.patience:
        epoch, started = len(learner.history), time.perf_counter()
        apply_strategy(learner.network, config, epoch)
        torch.manual_seed(hash((seed, epoch)))  # dropout; hash of integers is the same in every process
        order = epoch_order(train.labels, seed=seed, epoch=epoch, balanced=config.sampler == "balanced")
        batches = augmented_batches(
            train,
            order,
            batch_size=batching.size,
            recipe=config.augmentation,
            seed=seed,
            epoch=epoch,
            workers=config.workers,
        )
        shown = progress.track(
            batches,
            total=math.ceil(len(order) / batching.size),
            description=f"{name} seed {seed} epoch {epoch + 1}/{recipe.epochs}",
        )
        blended = (
            mixed(batch, alpha=config.mixup, classes=train.classes, draw=(seed, epoch, number))
            for number, batch in enumerate(shown)
        )
        steps = math.ceil(math.ceil(len(order) / batching.size) / batching.accumulate)
        groups = grouped(blended, batching.accumulate)
        try:
            train_loss = _train_epoch(
                fabric, learner, loss, config, groups, step=epoch * steps, steps=recipe.epochs * steps
            )
        except torch.OutOfMemoryError as error:
            batching = _smaller(batching, progress, error)
            torch.cuda.empty_cache()
            # Half an epoch is in the weights: back to the last checkpoint, or to the beginning.
            learner = make_learner(fabric, config, name, seed, train, directory)
            continue
        trained = time.perf_counter()
        logits, _ = outputs(learner.kept, validation.films, batch_size=batching.size)
        learner.history.append(
            EpochRecord(
                epoch=epoch,
                lr=max(group["lr"] for group in learner.optimizer.param_groups),
                train_loss=train_loss,
                val_loss=float(functional.cross_entropy(logits, torch.from_numpy(validation.labels))),
                val_auroc=float(macro_auroc(validation.labels, logits.double().softmax(1).numpy())),
                seconds=time.perf_counter() - started,
                films_per_second=len(order) / (trained - started),
                learning_parameters=sum(w.numel() for w in learner.network.parameters() if w.requires_grad),
                batch_size=batching.size,
                accumulate=batching.accumulate,
            )
        )
        learner.save(directory)
        write_events(directory, learner.history)
        progress.console.print(learner.history[-1].line(best=learner.best_epoch == epoch))
        if on_epoch:
            on_epoch(learner.history[-1])
    return Fit(tuple(learner.history), learner.best_epoch, learner.pretrained, fabric.device)


def _train_epoch(  # noqa: PLR0913 - the loop's parts, each used once
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
        films, total = sum(len(labels) for _, labels in group), torch.zeros((), device=fabric.device)
        for images, labels in group:
            value = loss(learner.model(images.to(fabric.device)), labels.to(fabric.device)) * (len(labels) / films)
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


def _fabric(config: RunConfig) -> Fabric:
    """The device and the precision, where they exist.

    Raises:
        TrainingConfigError: they do not.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        msg = "device=cuda was asked for and torch sees no CUDA device; mend the driver, or set device=cpu"
        raise TrainingConfigError(msg)
    if config.precision == "fp16" and (config.device == "cpu" or not torch.cuda.is_available()):
        msg = "precision=fp16 needs a CUDA device: a CPU computes it no faster and loses small gradients; set bf16 or fp32"
        raise TrainingConfigError(msg)
    return Fabric(accelerator=config.device, devices=1, precision=_PRECISION[config.precision])


def _batching(learner: Learner, size: int, accumulate: int) -> _Batching:
    """As the last epoch was cut: where memory ran out once it would run out again."""
    last = learner.history[-1] if learner.history else None
    return _Batching(last.batch_size, last.accumulate) if last and last.batch_size else _Batching(size, accumulate)


def _smaller(batching: _Batching, progress: Progress, error: torch.OutOfMemoryError) -> _Batching:
    if batching.size <= _SMALLEST_BATCH:
        msg = f"the device has too little memory for {batching.size} films at once; lower --size, or take a smaller network"
        raise TrainingConfigError(msg) from error
    halved = batching.halved()
    progress.console.print(
        f"  the device ran out of memory with {batching.size} films at once: the epoch begins again with {halved.size}, "
        f"{halved.accumulate} batches for one step"
    )
    return halved
