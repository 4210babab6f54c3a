"""The trials of a run in the order of their validation AUROC; it refuses to know the test set."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from schemas.errors import TrainingDataError
from schemas.estimate import Estimate
from schemas.record import Record
from schemas.trial import TrialRecord
from trainer.files import write_atomically

LEADERBOARD = "leaderboard.json"


class LeaderboardRow(Record):
    """One trial."""

    trial: str = Field(description="name of the trial's folder")
    architecture: str
    seed: int
    validation_auroc: Estimate
    parameters: int
    training_seconds: float


class Leaderboard(Record):
    """The trials, best first; the first is the winner."""

    rows: tuple[LeaderboardRow, ...] = Field(min_length=1)

    @property
    def winner(self) -> LeaderboardRow:
        """The trial with the highest validation AUROC, the smaller network where two are equal."""
        return self.rows[0]


def rank(trials: Mapping[str, TrialRecord]) -> Leaderboard:
    """The leaderboard of trials, by the name of their folder."""
    rows = (
        LeaderboardRow(
            trial=name,
            architecture=record.architecture,
            seed=record.provenance.seed,
            validation_auroc=record.validation.auroc,
            parameters=record.provenance.parameters,
            training_seconds=record.provenance.training_seconds,
        )
        for name, record in trials.items()
    )
    return Leaderboard(
        rows=tuple(sorted(rows, key=lambda row: (-row.validation_auroc.value, row.parameters, row.trial)))
    )


def write_leaderboard(board: Leaderboard, run: Path) -> None:
    """Write leaderboard.json, whole or not at all."""
    write_atomically(run / LEADERBOARD, board.model_dump_json(indent=2).encode())


def read_leaderboard(run: Path) -> Leaderboard:
    """The leaderboard of a run.

    Raises:
        TrainingDataError: there is none yet, or it is of another version.
    """
    try:
        return Leaderboard.model_validate_json((run / LEADERBOARD).read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"{run / LEADERBOARD} is missing or of another version; finish the training first"
        raise TrainingDataError(msg) from error
