"""The state that an epoch changes, made or restored: weights, moving average, optimizer, history."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from bundle.files import write_whole
from trainer.films.task import LabelledFilms
from trainer.folder import TrialFolder
from trainer.learning.checkpoint import Checkpoint
from trainer.learning.history import EpochRecord, write_history
from trainer.learning.loader import Batch
from trainer.learning.losses import Loss, build_finding_loss, build_loss
from trainer.learning.optim import build_optimizer
from trainer.learning.options import LearnOptions
from trainer.learning.reasons.costs import divergence, misplaced_heat
from trainer.networks.build import build_network
from trainer.networks.lungs.guide import GuideNetwork
from trainer.networks.network import Network
from trainer.networks.weights import NONE, load_pretrained, restore_batch_norm
from trainer.together import ALONE, Together

Teach = Callable[[Batch], Batch]
"""Gives the films of a batch other labels."""

_NORM_FILMS = 256  # enough for a channel's mean and variance over h x w cells


@dataclass(frozen=True, slots=True)
class FitTask:
    """A fit, as the process that leads it tells the others of it."""

    architecture: str
    seed: int
    fold: int | None
    taught: bool
    options: LearnOptions
    folder: str


@dataclass(frozen=True, slots=True)
class FitPlan:
    """One network to train, and the films that it is trained with."""

    architecture: str
    seed: int
    """Of the initial weights, the order, the augmentation and the dropout."""
    train: LabelledFilms
    validation: LabelledFilms
    """Films that choose the epoch to keep."""
    weights: str = NONE
    """Source of the first weights, see `trainer.networks.weights.load_pretrained`."""
    teach: Teach | None = None
    """Gives each augmented batch other labels before the network learns from it."""
    guide: GuideNetwork | None = None
    """Stands before the network and is frozen."""
    crop: int | None = None
    """Side of the part of a film that the network behind a guide sees; None: there is no guide."""
    fold: int | None = None
    """The fold that it validates on; None: the validation films of the split."""
    together: Together = ALONE
    """The processes that train it."""

    def task(self, options: LearnOptions, folder: TrialFolder) -> FitTask:
        """The fit, in words that lead another process to an equal plan."""
        return FitTask(self.architecture, self.seed, self.fold, self.teach is not None, options, str(folder))


@dataclass(slots=True)
class Learner:
    """A network that learns, after the epochs of its history."""

    fabric: Fabric
    options: LearnOptions
    loss: Loss
    network: Network
    model: Any  # the network as fabric runs it: same weights, device, precision and compilation handled
    optimizer: Any  # the optimizer as fabric runs it
    scaler: Any  # fabric's precision, which for fp16 holds the scale of the gradients
    average: ModelEmaV3 | None
    history: list[EpochRecord]
    pretrained: str
    alone: bool = False
    """Whether each class is a finding that is judged by itself."""
    together: Together = ALONE

    @property
    def evaluated(self) -> Network:
        """The network that is validated and saved: the moving average where there is one."""
        return self.average.module if self.average else self.network

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest validation AUROC; -1 before the first."""
        return max(range(len(self.history)), key=lambda epoch: self.history[epoch].val_auroc, default=-1)

    def objective(self, batch: Batch, *, weight: float, batches: int) -> Tensor:
        """What a batch adds to the loss of a step: its films' costs, and the mean cost of each reason that is asked.

        Args:
            batch: some films.
            weight: of all films of the step, in all processes.
            batches: of the step, in all processes.
        """
        reasons, device = self.options.reasons, self.fabric.device
        images, labels = batch.images.to(device), batch.labels.to(device)
        features = None if batch.evidence is None else self.model.features(images)
        logits = self.model(images) if features is None else self.model.head(features)
        value = self.loss.each(logits, labels).sum() / weight
        if features is not None and batch.evidence is not None:
            rows, explained, masks = (part.to(device) for part in batch.evidence)
            # Of classes that exclude one another the evidence may all speak against the others: their contrast is
            # explained, or the network would learn to have no heat at all.
            explained = explained if self.alone else explained - explained.mean(1, keepdim=True)
            value = (
                value
                + reasons.attention * misplaced_heat(self.model.head, features[rows], explained, masks).mean() / batches
            )
        if batch.twins is not None:
            rows, others = (part.to(device) for part in batch.twins)
            apart = divergence(logits[rows], self.model(others), alone=self.alone)
            value = value + reasons.consistency * apart.mean() / batches
        return value

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the end of the checkpoint's last epoch."""
        self.network.load_state_dict(checkpoint.weights)
        if self.average and checkpoint.average:
            self.average.module.load_state_dict(checkpoint.average)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        if checkpoint.scaler:
            self.scaler.load_state_dict(checkpoint.scaler)
        self.history = [EpochRecord(**record) for record in checkpoint.history]

    def save(self, folder: TrialFolder) -> None:
        """Write the best weights first: a kill in between repeats the epoch, which writes the same ones again."""
        if self.best_epoch == len(self.history) - 1:
            write_whole(folder.best_weights, save(_contiguous(self.evaluated)))
        Checkpoint(
            weights=_contiguous(self.network),
            average=_contiguous(self.average.module) if self.average else None,
            optimizer=self.optimizer.state_dict(),
            history=[asdict(record) for record in self.history],
            pretrained=self.pretrained,
            scaler=self.scaler.state_dict(),
        ).save(folder.checkpoint)
        write_history(folder, self.history)


def make_learner(fabric: Fabric, plan: FitPlan, options: LearnOptions, checkpoint: Checkpoint | None) -> Learner:
    """The learner of a trial with its first weights, or as a checkpoint left it.

    Raises:
        WeightsError: the pretrained weights do not fit.
    """
    torch.manual_seed(plan.seed)
    network, pretrained = _network(plan, options, checkpoint)
    optimizer = build_optimizer(network, options, options.recipe(plan.architecture))
    compiled: Any = torch.compile(network) if options.compile else network
    model, optimizer = fabric.setup(compiled, optimizer)
    for part in ("features", "head"):
        model.mark_forward_method(part)
    learner = Learner(
        fabric=fabric,
        options=options,
        loss=_loss(plan, options),
        network=network,
        model=model,
        optimizer=optimizer,
        scaler=fabric._precision,  # noqa: SLF001 - fabric saves it only together with what it saves itself
        average=ModelEmaV3(network, decay=options.ema_decay, use_warmup=True) if options.ema_decay else None,
        history=[],
        pretrained=pretrained,
        alone=plan.train.alone,
        together=plan.together,
    )
    if checkpoint:
        learner.restore(checkpoint)
    return learner


def _network(plan: FitPlan, options: LearnOptions, checkpoint: Checkpoint | None) -> tuple[Network, str]:
    """The network with its first weights, which a checkpoint will replace, and where these come from."""
    films = plan.train.films
    network = build_network(
        plan.architecture,
        classes=plan.train.classes,
        size=plan.crop or films.shape[-1],
        dropout=options.dropout,
        guide=plan.guide,
    )
    pretrained = checkpoint.pretrained if checkpoint else load_pretrained(network.learner, plan.weights)
    if pretrained != NONE and not checkpoint:
        sample = np.linspace(0, len(films) - 1, min(_NORM_FILMS, len(films)), dtype=np.int64)
        restore_batch_norm(network, films[sample])
    if options.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return network, pretrained


def _loss(plan: FitPlan, options: LearnOptions) -> Loss:
    if plan.train.alone:
        return build_finding_loss(options, plan.train.labels)
    counts = np.bincount(plan.train.labels, minlength=plan.train.classes).tolist()
    return build_loss(options, counts, plan.train.negative)


def _contiguous(network: nn.Module) -> dict[str, Tensor]:
    """The state dict on the CPU in the default memory format, which safetensors requires."""
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
