"""Where a network is trained, and how precisely it computes there."""

from typing import Any

import torch
from lightning_fabric import Fabric

from schemas.errors import TrainingConfigError
from trainer.config import RunConfig

_PRECISION: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(config: RunConfig) -> Fabric:
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
