"""Whether mixed precision pays: a few steps of the network in both, on the device that will train it."""

import statistics
import time
from typing import Final

import numpy as np
import torch
from pydantic import ValidationError

from bundle.files import write_whole
from schemas.errors import TrainingDataError
from schemas.record import Record
from trainer.folder import TrialFolder
from trainer.learning.learner import FitPlan, Learner, make_learner
from trainer.learning.loader import Batch
from trainer.learning.options import LearnOptions
from trainer.networks.device import Precision, make_fabric
from trainer.reporter import Reporter

_LEAST_GAIN: Final = 1.1
"""Below it a difference may be noise, and fp32 is what the figures of other runs were computed in."""
_PAIRS: Final = 3
_FILMS: Final = 8


class PrecisionChoice(Record):
    """What was decided for a fit, once."""

    precision: Precision
    gain: float | None
    """Of bf16: seconds in fp32 over seconds in bf16, the median of pairs of steps; None: the device has no bf16."""


def settled(plan: FitPlan, options: LearnOptions, folder: TrialFolder, reporter: Reporter) -> LearnOptions:
    """The options with the precision that the fit computes in; measured for `auto`, once for each fit.

    A fit that goes on keeps what it began with: its folder has the record.

    Raises:
        TrainingConfigError: the device is not there.
        TrainingDataError: the record is damaged.
    """
    if options.precision != "auto":
        return options
    if folder.precision.exists():
        choice = _read(folder)
    else:
        choice = choose(step_pairs(plan, options))
        write_whole(folder.precision, choice.model_dump_json(indent=2).encode())
        gain = "the device has no bf16" if choice.gain is None else f"bf16 is {choice.gain:.2f} times as fast as fp32"
        reporter.message(f"  precision {choice.precision}: {gain}")
    return options.changed({"precision": choice.precision})


def choose(pairs: list[tuple[float, float]]) -> PrecisionChoice:
    """The precision by seconds of steps, see `step_pairs`."""
    if not pairs:
        return PrecisionChoice(precision="fp32", gain=None)
    gain = statistics.median(whole / half for whole, half in pairs)
    return PrecisionChoice(precision="bf16" if gain >= _LEAST_GAIN else "fp32", gain=round(gain, 3))


def step_pairs(plan: FitPlan, options: LearnOptions) -> list[tuple[float, float]]:
    """Seconds of a step in fp32 and in bf16, in turns; none where the device computes no bf16.

    A step is forward and backward on a few of the fit's films; the weights are thrown away.
    """
    fabric = make_fabric(options.device)
    if not _has_bf16(fabric.device):
        return []
    learners = [
        make_learner(make_fabric(options.device, precision), plan, options, None) for precision in ("fp32", "bf16")
    ]
    films = plan.train.films[:_FILMS]
    batch = Batch(torch.from_numpy(np.array(films)), torch.from_numpy(np.array(plan.train.labels[: len(films)])))
    seconds = [[_step(learner, batch) for learner in learners] for _ in range(_PAIRS + 1)]
    return [(whole, half) for whole, half in seconds[1:]]  # the first step makes the kernels


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Emulated on other processors, and slower than fp32 there.
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - the only place that tells


def _step(learner: Learner, batch: Batch) -> float:
    start = time.perf_counter()
    learner.fabric.backward(learner.objective(batch, weight=float(len(batch.labels)), batches=1))
    learner.optimizer.zero_grad()
    if learner.fabric.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _read(folder: TrialFolder) -> PrecisionChoice:
    try:
        return PrecisionChoice.model_validate_json(folder.precision.read_bytes())
    except ValidationError as error:
        msg = f"{folder.precision} is damaged; remove the folder of the trial to train it anew"
        raise TrainingDataError(msg) from error
