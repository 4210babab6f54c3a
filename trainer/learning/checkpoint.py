"""The state of a fit after an epoch, on disk: whole or absent, and read without executing anything."""

import io
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from bundle.files import write_whole
from schemas.errors import TrainingConfigError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Enough to go on as if nothing had happened.

    No random state and no scheduler: the order, the augmentation, the dropout and the learning rate of an
    epoch are functions of seed, epoch and history.
    """

    weights: dict[str, Tensor]
    average: dict[str, Tensor] | None  # the moving average of the weights
    optimizer: dict[str, Any]
    history: list[dict[str, Any]]  # one entry for each epoch done, see `history.EpochRecord`
    pretrained: str
    scaler: dict[str, Any] = field(default_factory=dict)  # of the gradients, for fp16

    def save(self, path: Path) -> None:
        """Replace the checkpoint of a trial."""
        buffer = io.BytesIO()
        torch.save({entry.name: getattr(self, entry.name) for entry in fields(self)}, buffer)
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The checkpoint of a trial, on the CPU; None where there is none.

        Raises:
            TrainingConfigError: the file is not a checkpoint of this version.
        """
        if not path.exists():
            return None
        try:
            return cls(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # the unpickler of damaged bytes raises whatever they lead it to
            reason = type(error).__name__
            msg = f"{path} is not a checkpoint of this version ({reason}); remove it to start the trial anew"
            raise TrainingConfigError(msg) from error
