"""The training loop: read it from top to bottom."""

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.progress import Progress
from safetensors.torch import save
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional

from schemas.errors import TrainingConfigError, TrainingDataError
from trainer.architectures import build_network
from trainer.augment import RECIPES
from trainer.batches import Batch, LabelledFilms, augmented_batches, epoch_order
from trainer.checkpoint import Checkpoint
from trainer.config import RunConfig
from trainer.files import write_atomically
from trainer.inference import outputs
from trainer.metrics import macro_auroc
from trainer.networks import Network
from trainer.optim import Loss, build_loss, build_optimizer, freeze, lr_factor, set_learning_rate, train_mode
from trainer.weights import NONE, load_pretrained, restore_batch_norm

BEST = "best.safetensors"
HISTORY = "history.jsonl"
_PRECISION: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}
_NORM_FILMS = 256  # enough for a channel's mean and variance over h x w cells


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of history.jsonl."""

    epoch: int  # from 0
    lr: float  # of the last step, of the group that learns fastest
    train_loss: float
    val_loss: float  # cross-entropy
    val_auroc: float  # macro one-vs-rest for more than two classes
    seconds: float  # of training and validation
    films_per_second: float  # of training


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


@dataclass(slots=True)
class _Learner:
    """What an epoch changes: the weights, their moving average, the optimizer's memory, the history."""

    network: Network
    model: nn.Module  # the network as fabric runs it: same weights, device and precision handled
    optimizer: Any  # the optimizer as fabric runs it
    average: ModelEmaV3 | None
    history: list[EpochRecord]
    pretrained: str

    @property
    def kept(self) -> Network:
        """The network that is validated and kept."""
        return self.average.module if self.average else self.network

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest validation AUROC; -1 before the first."""
        return max(range(len(self.history)), key=lambda epoch: self.history[epoch].val_auroc, default=-1)

    def restore(self, checkpoint: Checkpoint) -> None:
        self.network.load_state_dict(checkpoint.weights)
        if self.average and checkpoint.average:
            self.average.module.load_state_dict(checkpoint.average)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.history = [EpochRecord(**record) for record in checkpoint.history]  # type: ignore[arg-type]  # epoch is int

    def save(self, directory: Path) -> None:
        """The best weights first: a kill in between repeats the epoch, which writes the same ones again."""
        records = [asdict(record) for record in self.history]
        if self.best_epoch == len(self.history) - 1:
            write_atomically(directory / BEST, save(_contiguous(self.kept)))
        Checkpoint(
            weights=_contiguous(self.network),
            average=_contiguous(self.average.module) if self.average else None,
            optimizer=self.optimizer.state_dict(),
            history=records,
            pretrained=self.pretrained,
        ).save(directory)
        write_atomically(directory / HISTORY, "".join(json.dumps(record) + "\n" for record in records).encode())


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
        directory: receives checkpoint.pt, best.safetensors and history.jsonl after each epoch.
        progress: where the epochs are shown.
        on_epoch: told of each epoch once its checkpoint is on disk; may raise to end the fit there.

    Raises:
        TrainingConfigError: the loss is no longer finite, or CUDA was asked for and is not there.
        WeightsError: the pretrained weights do not fit.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        msg = "device=cuda was asked for and torch sees no CUDA device; mend the driver, or set device=cpu"
        raise TrainingConfigError(msg)
    recipe = config.recipe(name)
    fabric = Fabric(accelerator=config.device, devices=1, precision=_PRECISION[config.precision])
    loss = build_loss(config, np.bincount(train.labels, minlength=train.classes).tolist())
    learner = _learner(fabric, config, name, seed, train, checkpoint=Checkpoint.load(directory))
    history = learner.history

    while len(history) < recipe.epochs and len(history) - 1 - learner.best_epoch < config.patience:
        epoch, started = len(history), time.perf_counter()
        torch.manual_seed(hash((seed, epoch)))  # dropout; hash of integers is the same in every process
        order = epoch_order(train.labels, seed=seed, epoch=epoch, balanced=config.sampler == "balanced")
        batches = augmented_batches(
            train,
            order,
            batch_size=recipe.batch_size,
            recipe=RECIPES[config.augment],
            seed=seed,
            epoch=epoch,
            workers=config.workers,
        )
        steps = math.ceil(len(order) / recipe.batch_size)
        shown = progress.track(
            batches, total=steps, description=f"{name} seed {seed} epoch {epoch + 1}/{recipe.epochs}"
        )
        train_loss = _train_epoch(fabric, learner, loss, config, shown, step=epoch * steps, steps=recipe.epochs * steps)
        trained = time.perf_counter()
        logits, _ = outputs(learner.kept, validation.films, batch_size=recipe.batch_size)
        history.append(
            EpochRecord(
                epoch=epoch,
                lr=max(group["lr"] for group in learner.optimizer.param_groups),
                train_loss=train_loss,
                val_loss=float(functional.cross_entropy(logits, torch.from_numpy(validation.labels))),
                val_auroc=float(macro_auroc(validation.labels, logits.double().softmax(1).numpy())),
                seconds=time.perf_counter() - started,
                films_per_second=len(order) / (trained - started),
            )
        )
        learner.save(directory)
        progress.console.print(_line(history[-1], best=learner.best_epoch == epoch))
        if on_epoch:
            on_epoch(history[-1])
    return Fit(tuple(history), learner.best_epoch, learner.pretrained, fabric.device)


def read_history(directory: Path) -> tuple[EpochRecord, ...]:
    """The epochs that a fit has done, of its history.jsonl; empty where it has done none.

    Raises:
        TrainingDataError: the file is damaged or of another version.
    """
    path = directory / HISTORY
    if not path.exists():
        return ()
    try:
        return tuple(EpochRecord(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    except (ValueError, TypeError) as error:
        msg = f"{path} is damaged or of another version; move it away to do without the curves"
        raise TrainingDataError(msg) from error


def _train_epoch(  # noqa: PLR0913 - the loop's parts, each used once
    fabric: Fabric,
    learner: _Learner,
    loss: Loss,
    config: RunConfig,
    batches: Iterable[Batch],
    *,
    step: int,
    steps: int,
) -> float:
    """One pass over the batches; the mean loss. `step` of `steps` counts over all epochs."""
    train_mode(learner.network, config)
    losses: list[Tensor] = []
    learning = [weight for weight in learner.network.parameters() if weight.requires_grad]
    plateaus = [record.val_loss for record in learner.history]
    for done, (images, labels) in enumerate(batches, start=step):
        set_learning_rate(learner.optimizer, lr_factor(config, done / steps, plateaus))
        logits = learner.model(images.to(fabric.device))
        value = loss(logits, labels.to(fabric.device))
        fabric.backward(value)
        if config.clip_norm:
            nn.utils.clip_grad_norm_(learning, config.clip_norm)
        learner.optimizer.step()
        learner.optimizer.zero_grad()
        if learner.average:
            learner.average.update(learner.network, step=done)
        losses.append(value.detach())
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        msg = f"the training loss is {mean} after step {step + len(losses)}; lower --lr, or train in fp32"
        raise TrainingConfigError(msg)
    return mean


def _learner(  # noqa: PLR0913 - what the first weights are a function of
    fabric: Fabric, config: RunConfig, name: str, seed: int, train: LabelledFilms, *, checkpoint: Checkpoint | None
) -> _Learner:
    """The network with its first weights, or those of the checkpoint."""
    torch.manual_seed(seed)
    network = build_network(name, classes=train.classes, size=train.films.shape[-1])
    pretrained = checkpoint.pretrained if checkpoint else load_pretrained(network, config.weights.get(name, NONE))
    if pretrained != NONE and not checkpoint:
        sample = np.linspace(0, len(train.films) - 1, min(_NORM_FILMS, len(train.films)), dtype=np.int64)
        restore_batch_norm(network, train.films[sample])
    freeze(network, config)
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    model, optimizer = fabric.setup(network, build_optimizer(network, config, config.recipe(name)))
    average = ModelEmaV3(network, decay=config.ema_decay, use_warmup=True) if config.ema_decay else None
    learner = _Learner(network, model, optimizer, average, [], pretrained)
    if checkpoint:
        learner.restore(checkpoint)
    return learner


def _contiguous(network: nn.Module) -> dict[str, Tensor]:
    """The state dict on the CPU in the default memory format, which safetensors requires."""
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}


def _line(record: EpochRecord, *, best: bool) -> str:
    return (
        f"  {record.epoch + 1:3d}  loss {record.train_loss:.4f}  validation {record.val_loss:.4f}  "
        f"AUROC {record.val_auroc:.4f}{'*' if best else ' '}  {record.seconds:.0f} s  {record.films_per_second:.0f} films/s"
    )
