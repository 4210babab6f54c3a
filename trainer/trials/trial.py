"""A trained trial as the exporter, the report and the heat maps need it: record, network, gate and films."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.errors import TrainingDataError
from schemas.model.mistakes import FilmReference
from schemas.model.trial import TrialRecord
from trainer.config import read_config
from trainer.films.dataset import Dataset, read_dataset
from trainer.films.task import LabelledFilms, Labels
from trainer.folder import TrialFolder
from trainer.networks.network import Network
from trainer.trials.record import read_trial
from trainer.trials.trial_arrays import NetworkForm, read_network, read_statistics


@dataclass(frozen=True, slots=True)
class TrainedTrial:
    """A trial that was trained and calibrated."""

    folder: TrialFolder
    record: TrialRecord
    network: Network
    """On the CPU, in eval mode, with the best weights."""
    statistics: Mapping[str, NDArray[np.float32]] | None
    """Arrays of `OutOfDistribution`."""
    dataset: Dataset
    """The films of its run."""

    def inputs(self, split: Literal["train", "val"]) -> tuple[NDArray[np.float32], Labels]:
        """Prepared films float32 [V, 1, S, S] and labels that the trial was trained on or validated with."""
        prepared = self.films(split)
        return prepared.films, prepared.labels

    def films(self, split: Literal["train", "val"]) -> LabelledFilms:
        """The same films as training takes them."""
        return self.dataset.prepared(self.dataset.films(split, self.record.fold), self.record.preprocess)

    def patients(self, split: Literal["train", "val"]) -> NDArray[np.str_]:
        """The patient of each of these films, [V], in the order of `inputs`."""
        return np.array([film.patient for film in self.dataset.films(split, self.record.fold)])

    def references(self, split: Literal["train", "val"]) -> tuple[FilmReference, ...]:
        """Where somebody who holds the data finds each of these films, in the order of `inputs`."""
        lines = {film.path: line for line, film in enumerate(self.dataset.split.films, start=2)}
        films = self.dataset.films(split, self.record.fold)
        return tuple(FilmReference(sha256_prefix=film.sha256[:12], split_line=lines[film.path]) for film in films)


def load_trial(folder: TrialFolder, *, with_statistics: bool = True) -> TrainedTrial:
    """A trial with everything that belongs to it.

    Args:
        folder: of the trial.
        with_statistics: False: without the arrays of its gate, which need not be there.

    Raises:
        TrainingDataError: the trial has not ended, a file of it is missing or damaged, its record is of another
            version, or it is a mean of others.
        TrainingConfigError: the run has no config, or it was altered into something invalid.
    """
    record, network = load_network(folder)
    gated = with_statistics and record.calibration.out_of_distribution is not None
    statistics = read_statistics(folder) if gated else None
    dataset = read_dataset(folder.run, read_config(folder.run).data)
    return TrainedTrial(folder, record, network, statistics, dataset)


def load_network(folder: TrialFolder) -> tuple[TrialRecord, Network]:
    """The record of a trial, and its network with the best weights, on the CPU, in eval mode.

    Raises:
        TrainingDataError: see `load_trial`.
    """
    record = read_trial(folder)
    if record.members:
        msg = f"{folder.name} is a mean of {', '.join(record.members)}, not a network; name one of these"
        raise TrainingDataError(msg)
    return record, read_network(folder, NetworkForm.of(record))
