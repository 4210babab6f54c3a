"""A trial as the exporter takes it: one network, or a mean of several as one network with a gate of its own."""

import torch
from torch import Tensor

from schemas.errors import TrainingDataError
from schemas.model.trial import TrialRecord
from trainer.config import read_config
from trainer.films.dataset import read_dataset
from trainer.films.task import Task
from trainer.folder import TrialFolder
from trainer.judging.gate import fit_gate, gate_inputs
from trainer.networks.ensemble import EnsembleNetwork
from trainer.trials.record import read_trial
from trainer.trials.trial import TrainedTrial, load_network, load_trial


def load_exportable(folder: TrialFolder) -> TrainedTrial:
    """A trial, or a mean of trials, with everything that belongs to it.

    A mean has no gate against unfamiliar images from training: it is fitted here, to the embeddings of all members.

    Raises:
        TrainingDataError: see `load_trial`; or the members of a mean see films that are prepared differently, or stand
            behind a guide.
        TrainingConfigError: see `load_trial` and `EnsembleNetwork`.
    """
    record = read_trial(folder)
    if not record.members:
        return load_trial(folder)
    folders = [folder.run.trial(member) for member in record.members]
    members = [read_trial(member) for member in folders]
    _require_one_preprocessing(folder, record, members)
    _require_no_guide(folder, members)
    temperatures = [member.calibration.temperature for member in members]
    size = record.preprocess.size
    scalings = [scaling for member in members if (scaling := _scaling(member)) is not None] or None
    networks = [load_network(member)[1] for member in folders]
    network = EnsembleNetwork(networks, temperatures, size=size, scalings=scalings)
    dataset = read_dataset(folder.run, read_config(folder.run).data)
    named = record.model_copy(update={"architecture": f"{record.architecture} ({', '.join(record.members)})"})
    return _with_gate(TrainedTrial(folder, named, network, None, dataset))


def _scaling(record: TrialRecord) -> Tensor | None:
    """Slopes and offsets of the findings, [2, K]; None: the classes exclude one another."""
    scaling = record.calibration.scaling
    if scaling is None:
        return None
    rows = [[getattr(scaling[name], part) for name in record.classes] for part in ("slope", "offset")]
    return torch.tensor(rows, dtype=torch.float32)


def _require_one_preprocessing(folder: TrialFolder, record: TrialRecord, members: list[TrialRecord]) -> None:
    sizes = [member.preprocess for member in members]
    if any(spec != record.preprocess for spec in sizes):
        listed = ", ".join(
            f"{name} at {spec.size} x {spec.size}" for name, spec in zip(record.members, sizes, strict=True)
        )
        msg = (
            f"the members of {folder.name} see films that are prepared differently ({listed}), and a bundle prepares a "
            "film once; train them in one run with networks.size, or export a member"
        )
        raise TrainingDataError(msg)


def _require_no_guide(folder: TrialFolder, members: list[TrialRecord]) -> None:
    """A mean has one graph without a guide's outputs: it would answer films that its members do not."""
    if any(member.guide is not None for member in members):
        msg = f"{folder.name} is a mean of networks behind a guide, which has no graph; export one of its members"
        raise TrainingDataError(msg)


def _with_gate(trial: TrainedTrial) -> TrainedTrial:
    train, validation = (gate_inputs(trial.network, trial.films(split))[1] for split in ("train", "val"))
    gate = fit_gate(train, validation, Task.of(trial.record).groups)
    if gate is None:
        return trial
    distribution, arrays = gate
    calibration = trial.record.calibration.model_copy(update={"out_of_distribution": distribution})
    record = trial.record.model_copy(update={"calibration": calibration})
    return TrainedTrial(trial.folder, record, trial.network, arrays, trial.dataset)
