"""The arrays of a trial on disk: the weights of the best epoch, and the statistics of its gate."""

import io
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.folder import TrialFolder
from trainer.networks.build import build_network
from trainer.networks.network import Network


def read_network(folder: TrialFolder, name: str, classes: int, spec: PreprocessSpec) -> Network:
    """A network with the best weights of its trial, on the CPU, in eval mode.

    Raises:
        TrainingDataError: the file is missing, damaged, or of another network.
    """
    network = build_network(name, classes=classes, size=spec.size)
    try:
        network.load_state_dict(load_file(folder.best_weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        msg = (
            f"{folder.best_weights} is missing, damaged or of another network, and a trial needs its weights; copy it "
            f"again, or remove {folder} and run the training again with the same --out"
        )
        raise TrainingDataError(msg) from error
    return network.eval()


def read_statistics(folder: TrialFolder) -> dict[str, NDArray[np.float32]]:
    """The arrays of the gate, see `schemas.model.calibration.OutOfDistribution`.

    Raises:
        TrainingDataError: the file is missing or damaged.
    """
    path = folder.statistics
    try:
        return dict(np.load(io.BytesIO(path.read_bytes()), allow_pickle=False))
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        msg = f"{path} is missing or damaged, and the trial has cut-offs for it; run python -m trainer refit {folder}"
        raise TrainingDataError(msg) from error
