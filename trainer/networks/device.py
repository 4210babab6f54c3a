"""Where a network is trained, and how precisely it computes there."""

from typing import TYPE_CHECKING, Any, Literal

from schemas.errors import TrainingConfigError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Device = Literal["cpu", "cuda", "auto"]
Precision = Literal["fp32", "bf16", "fp16"]
AskedPrecision = Literal["auto", "fp32", "bf16", "fp16"]

_PRECISION: dict[AskedPrecision, Any] = {"auto": "32-true", "fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(device: Device, precision: AskedPrecision = "fp32", *, index: int = 0) -> "Fabric":
    """The device and the precision, where they exist.

    Args:
        device: of which kind.
        precision: of its computations; auto: fp32, until `trainer.learning.measured` has chosen.
        index: which graphics card.

    Raises:
        TrainingConfigError: they do not.
    """
    import torch  # noqa: PLC0415 - the options of a run name devices, and need no torch
    from lightning_fabric import Fabric  # noqa: PLC0415
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment  # noqa: PLC0415

    if device == "cuda" and not torch.cuda.is_available():
        msg = "device=cuda was asked for and torch sees no CUDA device; mend the driver, or set device=cpu"
        raise TrainingConfigError(msg)
    if precision == "fp16" and (device == "cpu" or not torch.cuda.is_available()):
        msg = (
            "precision=fp16 needs a CUDA device: a CPU computes it no faster and loses small gradients; set bf16 or "
            "fp32"
        )
        raise TrainingConfigError(msg)
    devices: list[int] | int = [index] if device != "cpu" and torch.cuda.is_available() else 1
    # Fabric would look for Slurm itself: it refuses a job of several tasks, and warns where srun merely exists.
    plain: list[Any] = [LightningEnvironment()]
    return Fabric(accelerator=device, devices=devices, precision=_PRECISION[precision], plugins=plain)
