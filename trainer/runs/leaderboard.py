"""The trials of a run in the order of their validation AUROC; it refuses to know the test set."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from biostatistics.comparison import compare
from bundle.files import write_whole
from schemas.errors import TrainingDataError
from schemas.estimate import Estimate
from schemas.model.decision import calibrated
from schemas.model.evaluation import Comparison
from schemas.model.trial import TrialRecord
from schemas.record import Record
from trainer.folder import RunFolder
from trainer.judging.outputs import SavedOutputs


class LeaderboardRow(Record):
    """One trial."""

    trial: str = Field(description="name of the trial's folder")
    architecture: str
    seed: int
    validation_auroc: Estimate
    parameters: int
    training_seconds: float
    fold: int | None = None
    kind: Literal["trial", "ensemble"] = "trial"
    ms_per_film: float | None = Field(default=None, description="on the CPU, one thread, one film")
    against_winner: Comparison | None = Field(
        default=None, description="validation AUROC of the winner minus this one's; null: the winner, or another fold"
    )


class ArchitectureSummary(Record):
    """One architecture over its trials."""

    architecture: str
    trials: int
    mean: float = Field(description="validation AUROC")
    sd: float | None = Field(description="of the trials; null for one")
    parameters: int
    ms_per_film: float | None
    training_seconds: float = Field(description="mean of the trials")


class Leaderboard(Record):
    """The trials, best first, and after them their ensembles; the first is the winner."""

    rows: tuple[LeaderboardRow, ...] = Field(min_length=1)
    architectures: tuple[ArchitectureSummary, ...] = ()

    @property
    def winner(self) -> LeaderboardRow:
        """The trial with the highest validation AUROC, the smaller network where two are equal; never an ensemble."""
        return self.rows[0]


def rank(trials: Mapping[str, TrialRecord], outputs: Mapping[str, SavedOutputs]) -> Leaderboard:
    """The leaderboard of trials and ensembles.

    Args:
        trials: by the name of their folder; at least one is a network.
        outputs: of each, for its validation films.
    """
    ordered = in_order(trials)
    # As they were judged: with more than two classes AUROC depends on the temperature.
    probabilities = {
        name: calibrated(outputs[name].logits, trial.calibration, trial.classes) for name, trial in trials.items()
    }
    winner = ordered[0]
    networks = [name for name in ordered if not trials[name].members]
    return Leaderboard(
        rows=tuple(_row(name, trials[name], _against(winner, name, outputs, probabilities)) for name in ordered),
        architectures=tuple(
            _summary(architecture, [trials[name] for name in networks if trials[name].architecture == architecture])
            for architecture in dict.fromkeys(trials[name].architecture for name in networks)
        ),
    )


def in_order(trials: Mapping[str, TrialRecord]) -> list[str]:
    """The names of trials, best first: networks before ensembles, and of equals the smaller."""
    return sorted(
        trials,
        key=lambda name: (bool(trials[name].members), -trials[name].validation.auroc.value, _size(trials[name]), name),
    )


def _row(name: str, record: TrialRecord, against_winner: Comparison | None) -> LeaderboardRow:
    return LeaderboardRow(
        trial=name,
        architecture=record.architecture,
        seed=record.provenance.seed,
        fold=record.fold,
        kind="ensemble" if record.members else "trial",
        validation_auroc=record.validation.auroc,
        parameters=_size(record),
        training_seconds=record.provenance.training_seconds,
        ms_per_film=record.ms_per_film,
        against_winner=against_winner,
    )


def _against(
    winner: str, name: str, outputs: Mapping[str, SavedOutputs], probabilities: Mapping[str, NDArray[np.float64]]
) -> Comparison | None:
    """The paired difference to the winner; None for the winner, and where the films are others: another fold's."""
    best = outputs[winner]
    if name == winner or not np.array_equal(best.films, outputs[name].films):
        return None
    return compare(best.labels, probabilities[winner], probabilities[name], best.patients)


def _summary(architecture: str, records: Sequence[TrialRecord]) -> ArchitectureSummary:
    values = [record.validation.auroc.value for record in records]
    costs = [record.ms_per_film for record in records if record.ms_per_film is not None]
    return ArchitectureSummary(
        architecture=architecture,
        trials=len(records),
        mean=statistics.mean(values),
        sd=statistics.stdev(values) if len(values) > 1 else None,
        parameters=_size(records[0]),
        ms_per_film=statistics.median(costs) if costs else None,
        training_seconds=statistics.mean(record.provenance.training_seconds for record in records),
    )


def _size(record: TrialRecord) -> int:
    return record.provenance.parameters


def write_leaderboard(board: Leaderboard, folder: RunFolder) -> None:
    """Write leaderboard.json, whole or not at all."""
    write_whole(folder.leaderboard, board.model_dump_json(indent=2).encode())


def read_leaderboard(folder: RunFolder) -> Leaderboard:
    """The leaderboard of a run.

    Raises:
        TrainingDataError: there is none yet, or it is of another version.
    """
    try:
        return Leaderboard.model_validate_json(folder.leaderboard.read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"{folder.leaderboard} is missing or of another version; finish the training first"
        raise TrainingDataError(msg) from error
