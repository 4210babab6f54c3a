"""The arrays of a trial on disk: the weights of the best epoch, and the statistics of its gate."""

import io
from dataclasses import dataclass
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from schemas.errors import TrainingDataError
from schemas.model.guide import GuideRecord
from schemas.model.trial import TrialRecord
from trainer.folder import TrialFolder
from trainer.networks.build import build_network
from trainer.networks.lungs.guide import GuideNetwork
from trainer.networks.network import Network


@dataclass(frozen=True, slots=True)
class NetworkForm:
    """What decides which weights a network has."""

    architecture: str
    classes: int
    side: int
    """Of what it sees, in pixels."""
    guide: GuideRecord | None = None
    """Of the guide before it; None: it sees whole films."""

    @classmethod
    def of(cls, record: TrialRecord) -> Self:
        """The form of a trial's network."""
        side = record.crop or record.preprocess.size
        return cls(record.architecture, len(record.classes), side, record.guide)


def read_network(folder: TrialFolder, form: NetworkForm) -> Network:
    """A network with the best weights of its trial, on the CPU, in eval mode.

    Raises:
        TrainingDataError: the file is missing, damaged, or of another network.
    """
    guide = None if form.guide is None else GuideNetwork.of(form.guide)
    network = build_network(form.architecture, classes=form.classes, size=form.side, guide=guide)
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
