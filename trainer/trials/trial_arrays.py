"""What a trial keeps in arrays: the weights of the best epoch, and what its gate has learnt."""

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from schemas.errors import TrainingDataError
from schemas.model.manifest import STATISTICS
from schemas.preprocess import PreprocessSpec
from trainer.learning.learner import BEST
from trainer.networks.architectures import build_network
from trainer.networks.network import Network


def read_network(directory: Path, name: str, classes: int, spec: PreprocessSpec) -> Network:
    """A network with the best weights of its trial, on the CPU, in eval mode.

    Raises:
        TrainingDataError: the file is missing, damaged, or of another network.
    """
    network = build_network(name, classes=classes, size=spec.size)
    try:
        network.load_state_dict(load_file(directory / BEST))
    except (OSError, SafetensorError, RuntimeError) as error:
        msg = (
            f"{directory / BEST} is missing, damaged or of another network, and a trial needs its weights; copy it again, "
            f"or remove {directory} and run the training again with the same --out"
        )
        raise TrainingDataError(msg) from error
    return network.eval()


def read_statistics(directory: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of the gate, see `schemas.model.calibration.OutOfDistribution`.

    Raises:
        TrainingDataError: the file is missing or damaged.
    """
    path = directory / STATISTICS
    try:
        return dict(np.load(io.BytesIO(path.read_bytes()), allow_pickle=False))
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        msg = (
            f"{path} is missing or damaged, and the trial has cut-offs for it; run python -m trainer refit {directory}"
        )
        raise TrainingDataError(msg) from error
