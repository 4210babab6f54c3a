"""The training loop: its functions stand in the order in which a fit calls them."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schemas.errors import TrainingConfigError
from trainer.folder import TrialFolder
from trainer.learning.batch_size import Batching, first_batching, smaller
from trainer.learning.checkpoint import Checkpoint
from trainer.learning.consumption import Consumption, Meter, total
from trainer.learning.history import EpochRecord, write_events, write_history
from trainer.learning.learner import FitPlan, Learner, make_learner
from trainer.learning.loader import Augmentation, Batch, augmented_batches, epoch_order, grouped
from trainer.learning.measured.precision import settled
from trainer.learning.mixup import mixed
from trainer.learning.optim import lr_factor, set_learning_rate
from trainer.learning.options import LearnOptions
from trainer.learning.strategies import apply_strategy
from trainer.learning.validate import validate
from trainer.networks.device import AskedPrecision, make_fabric
from trainer.reporter import Progress, Reporter


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit that has ended; its weights are in best.safetensors."""

    history: tuple[EpochRecord, ...]
    best_epoch: int
    pretrained: str
    device: torch.device
    precision: AskedPrecision
    """Never auto."""

    @property
    def consumption(self) -> Consumption:
        """What the epochs that count took, over all the processes that took part."""
        return total([record.consumption for record in self.history])


@dataclass(frozen=True, slots=True)
class _Epoch:
    """Which epoch of a fit, and how its films are cut into batches."""

    number: int  # from 0
    of: int  # at most
    batching: Batching


def fit(
    plan: FitPlan,
    options: LearnOptions,
    folder: TrialFolder,
    reporter: Reporter,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> Fit:
    """Train one network until validation stops improving; go on from the folder's checkpoint if it has one.

    Every random choice of an epoch is drawn from (seed, epoch), so that a fit that was killed and
    started again ends with the weights of one that was not.

    Args:
        plan: which network, and its films.
        options: how it is trained.
        folder: receives checkpoint, best weights, history and events after each epoch.
        reporter: receives the progress.
        on_epoch: called after each epoch, once its checkpoint is on disk; may raise to end the fit there.

    Raises:
        TrainingConfigError: the loss is not finite, or the device is not there, too small, or not of this precision.
        WeightsError: the pretrained weights do not fit.
    """
    recipe = options.recipe(plan.architecture)
    options = settled(plan, options, folder, reporter) if plan.together.leads else options
    together = plan.together.begin(plan.task(options, folder))
    learner = _learner(plan, options, folder)
    batching = first_batching(learner.history, recipe.batch_size, options.accumulate)
    while len(learner.history) < recipe.epochs and len(learner.history) - 1 - learner.best_epoch < options.patience:
        record = _epoch_in_memory(learner, plan, _Epoch(len(learner.history), recipe.epochs, batching), reporter)
        if record is None:
            batching = smaller(batching, reporter)
            del learner
            torch.cuda.empty_cache()
            learner = _learner(plan, options, folder)  # half an epoch was in the weights: back to the checkpoint
            continue
        learner.history.append(record)
        together.lead(partial(_end_epoch, learner, folder, reporter, on_epoch))
    together.lead(partial(_write_records, folder, learner.history))
    return _ended(learner)


def _ended(learner: Learner) -> Fit:
    device, precision = learner.fabric.device, learner.options.precision
    return Fit(tuple(learner.history), learner.best_epoch, learner.pretrained, device, precision)


def _learner(plan: FitPlan, options: LearnOptions, folder: TrialFolder) -> Learner:
    together = plan.together
    checkpoint: list[Checkpoint | None] = []
    together.lead(lambda: checkpoint.append(Checkpoint.load(folder.checkpoint)))
    first = together.told(checkpoint[0] if checkpoint else None)
    fabric = together.agree(lambda: make_fabric(options.device, options.precision, index=together.local_rank))
    return together.agree(lambda: make_learner(fabric, plan, options, first))


def _epoch_in_memory(learner: Learner, plan: FitPlan, epoch: _Epoch, reporter: Reporter) -> EpochRecord | None:
    """One epoch and what it took; None where the device ran out of memory.

    The failure is not passed on: its traceback would keep what the failed step had in memory.
    """
    try:
        with plan.together.in_step(), Meter() as meter:
            record = _learn(learner, plan, epoch, reporter)
    except torch.OutOfMemoryError:
        return None
    measured = meter.consumption
    return replace(record, cpu_seconds=measured.cpu_seconds, energy_joules=measured.energy_joules)


def _learn(learner: Learner, plan: FitPlan, epoch: _Epoch, reporter: Reporter) -> EpochRecord:
    """One epoch: every film once, then the validation films."""
    started = time.perf_counter()
    apply_strategy(learner.network, learner.options, epoch.number)
    together = plan.together
    who = () if together.leads else (together.rank,)
    torch.manual_seed(hash((plan.seed, epoch.number, *who)))  # dropout; hash of integers is the same in every process
    balanced = learner.options.sampler == "balanced"
    order = epoch_order(plan.train.labels, seed=plan.seed, epoch=epoch.number, balanced=balanced)
    batches = len(together.cut(order, epoch.batching.size))
    steps = math.ceil(batches / epoch.batching.accumulate)
    description = f"{plan.architecture} seed {plan.seed} epoch {epoch.number + 1}/{epoch.of}"
    with reporter.stage(description) as progress:
        films = _counted(_batches(learner.options, plan, epoch, order), batches, progress)
        groups = grouped(films, epoch.batching.accumulate)
        train_loss = train_epoch(learner, groups, step=epoch.number * steps, steps=epoch.of * steps)
    together.average_statistics([learner.network, *([learner.average.module] if learner.average else [])])
    trained = time.perf_counter()
    val_loss, val_auroc = validate(learner, plan, epoch.batching.size)
    rates = [group["lr"] for group in learner.optimizer.param_groups]
    return EpochRecord(
        epoch=epoch.number,
        lr=max(rates),
        lowest_lr=min(rates),
        train_loss=train_loss,
        val_loss=val_loss,
        val_auroc=val_auroc,
        seconds=time.perf_counter() - started,
        films_per_second=len(order) / (trained - started),
        learning_parameters=sum(weight.numel() for weight in learner.network.parameters() if weight.requires_grad),
        batch_size=epoch.batching.size,
        accumulate=epoch.batching.accumulate,
    )


def _batches(options: LearnOptions, plan: FitPlan, epoch: _Epoch, order: NDArray[np.int64]) -> Iterator[Batch]:
    """The batches of an epoch: augmented, mixed, and with the teachers' labels."""
    augmentation = Augmentation(options.augmentation, plan.seed, epoch.number, options.workers, options.reasons)
    size, together = epoch.batching.size, plan.together
    batches = augmented_batches(plan.train, order, augmentation, batch_size=size, together=together)
    for number, batch in enumerate(batches):
        draw = (plan.seed, epoch.number, number, *(() if together.leads else (together.rank,)))
        films = mixed(batch, alpha=options.mixup, classes=plan.train.classes, draw=draw)
        yield plan.teach(films) if plan.teach else films


def _counted(batches: Iterable[Batch], count: int, progress: Progress) -> Iterator[Batch]:
    """The same batches; each is reported once the network has learned from it."""
    progress(0, count)
    for done, batch in enumerate(batches, start=1):
        yield batch
        progress(done, count)


def train_epoch(learner: Learner, groups: Iterable[list[Batch]], *, step: int, steps: int) -> float:
    """One pass over the groups of batches, a step for each.

    Args:
        learner: changed in place.
        groups: batches whose gradients make one step.
        step: number of the first step, over all epochs.
        steps: of all epochs.

    Returns:
        The mean loss.

    Raises:
        TrainingConfigError: the loss is no longer finite.
    """
    options = learner.options
    plateaus = [record.val_loss for record in learner.history]
    losses: list[Tensor] = []
    for done, group in enumerate(groups, start=step):
        set_learning_rate(learner.optimizer, lr_factor(options, done / steps, plateaus))
        losses.append(_step(learner, group))
        if learner.average:
            learner.average.update(learner.network, step=done)
    mean = float(learner.together.summed(torch.stack(losses)).mean())
    if not math.isfinite(mean):
        msg = f"the training loss is {mean} after step {step + len(losses)}; lower --lr, or train in fp32"
        raise TrainingConfigError(msg)
    return mean


def _step(learner: Learner, group: list[Batch]) -> Tensor:
    """One step of the optimizer; the loss of its films: of several processes the own part of it."""
    fabric, together = learner.fabric, learner.together
    weights = [learner.loss.weight(batch.labels).sum() for batch in group]
    weight = float(together.summed(torch.stack(weights).double().sum()))
    loss = torch.zeros((), device=fabric.device)
    for batch in group:
        value = learner.objective(batch, weight=weight, batches=len(group) * together.world)
        fabric.backward(value)
        loss += value.detach()
    together.sum_gradients(learner.network)
    clip_norm = learner.options.clip_norm
    if clip_norm:
        fabric.clip_gradients(learner.model, learner.optimizer, max_norm=clip_norm, error_if_nonfinite=False)
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    return loss


def _end_epoch(
    learner: Learner, folder: TrialFolder, reporter: Reporter, on_epoch: Callable[[EpochRecord], None] | None
) -> None:
    record = learner.history[-1]
    learner.save(folder)
    write_events(folder, learner.history)
    reporter.epoch_ended(folder.name, record.summary(best=learner.best_epoch == record.epoch))
    if on_epoch is not None:
        on_epoch(record)


def _write_records(folder: TrialFolder, history: Sequence[EpochRecord]) -> None:
    """What a kill between the last checkpoint and its records may have kept back."""
    if not folder.events.exists():
        write_events(folder, history)
    write_history(folder, history)
