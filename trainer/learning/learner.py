"""What an epoch changes, made or restored: the weights, their moving average, the optimizer's memory, the history."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from bundle.files import write_whole
from trainer.config import RunConfig
from trainer.learning.checkpoint import Checkpoint
from trainer.learning.history import EpochRecord, write_history
from trainer.learning.loader import LabelledFilms
from trainer.learning.optim import build_optimizer
from trainer.networks.architectures import build_network
from trainer.networks.network import Network
from trainer.networks.weights import NONE, load_pretrained, restore_batch_norm

BEST = "best.safetensors"
_NORM_FILMS = 256  # enough for a channel's mean and variance over h x w cells


@dataclass(slots=True)
class Learner:
    """A network that learns, after the epochs of its history."""

    network: Network
    model: nn.Module  # the network as fabric runs it: same weights, device, precision and compilation handled
    optimizer: Any  # the optimizer as fabric runs it
    scaler: Any  # fabric's precision, which for fp16 holds the scale of the gradients
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
        """Go back to the end of the checkpoint's last epoch."""
        self.network.load_state_dict(checkpoint.weights)
        if self.average and checkpoint.average:
            self.average.module.load_state_dict(checkpoint.average)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        if checkpoint.scaler:
            self.scaler.load_state_dict(checkpoint.scaler)
        self.history = [EpochRecord(**record) for record in checkpoint.history]

    def save(self, directory: Path) -> None:
        """The best weights first: a kill in between repeats the epoch, which writes the same ones again."""
        if self.best_epoch == len(self.history) - 1:
            write_whole(directory / BEST, save(_contiguous(self.kept)))
        Checkpoint(
            weights=_contiguous(self.network),
            average=_contiguous(self.average.module) if self.average else None,
            optimizer=self.optimizer.state_dict(),
            history=[asdict(record) for record in self.history],
            pretrained=self.pretrained,
            scaler=self.scaler.state_dict(),
        ).save(directory)
        write_history(directory, self.history)


def make_learner(  # noqa: PLR0913, PLR0917 - what the first weights are a function of, and where they may lie
    fabric: Fabric, config: RunConfig, name: str, seed: int, train: LabelledFilms, directory: Path
) -> Learner:
    """The learner of a trial with its first weights, or as the directory's checkpoint left it.

    Raises:
        WeightsError: the pretrained weights do not fit.
        TrainingConfigError: the checkpoint is not of this version.
    """
    checkpoint = Checkpoint.load(directory)
    torch.manual_seed(seed)
    network = build_network(name, classes=train.classes, size=train.films.shape[-1], dropout=config.dropout)
    pretrained = checkpoint.pretrained if checkpoint else load_pretrained(network, config.weights.get(name, NONE))
    if pretrained != NONE and not checkpoint:
        sample = np.linspace(0, len(train.films) - 1, min(_NORM_FILMS, len(train.films)), dtype=np.int64)
        restore_batch_norm(network, train.films[sample])
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(network, config, config.recipe(name))
    compiled: Any = torch.compile(network) if config.compile else network
    model, optimizer = fabric.setup(compiled, optimizer)
    average = ModelEmaV3(network, decay=config.ema_decay, use_warmup=True) if config.ema_decay else None
    scaler = fabric._precision  # noqa: SLF001 - fabric saves it only together with what it saves itself
    learner = Learner(network, model, optimizer, scaler, average, [], pretrained)
    if checkpoint:
        learner.restore(checkpoint)
    return learner


def _contiguous(network: nn.Module) -> dict[str, Tensor]:
    """The state dict on the CPU in the default memory format, which safetensors requires."""
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
