"""The test set: sealed until every trial stands in a leaderboard with its winner, and opened once."""

from collections.abc import Sequence
from datetime import UTC, datetime

from bundle.files import sha256_of, write_whole
from schemas.errors import TestSetError, TrainingDataError
from schemas.record import Record, Sha256
from trainer.films.dataset import Dataset
from trainer.films.film import Film
from trainer.folder import RunFolder
from trainer.runs.leaderboard import Leaderboard, read_leaderboard
from trainer.trials.failure import read_failure
from trainer.trials.record import read_trial
from trainer.trials.trial_spec import TrialSpec


class Opening(Record):
    """When the seal was broken, and for which leaderboard."""

    opened_at: datetime
    winner: str
    leaderboard_sha256: Sha256


def open_test_set(folder: RunFolder, specs: Sequence[TrialSpec], dataset: Dataset) -> tuple[Film, ...]:
    """The run's test films, the only way to them; from here on the run trains no more.

    A run that was killed between the opening and its last evaluation may open again, for the same leaderboard.

    Args:
        folder: of the run.
        specs: of all its trials.
        dataset: its films.

    Raises:
        TestSetError: a trial of the run is not in the leaderboard, or the test set was opened before.
    """
    board = _complete_leaderboard(folder, specs)
    digest = sha256_of(folder.leaderboard)
    before = read_opening(folder)
    finished = all(read_trial(folder.trial(row.trial)).test for row in board.rows)
    if before and (finished or before.leaderboard_sha256 != digest):
        msg = (
            f"the test set of {folder} was opened at {before.opened_at:%Y-%m-%d %H:%M} UTC, for {before.winner}; its "
            "figures stand in each trial.json"
        )
        raise TestSetError(msg)
    if not before:
        opening = Opening(opened_at=datetime.now(UTC), winner=board.winner.trial, leaderboard_sha256=digest)
        write_whole(folder.opening, opening.model_dump_json(indent=2).encode())
    return dataset.split.of("test")


def _complete_leaderboard(folder: RunFolder, specs: Sequence[TrialSpec]) -> Leaderboard:
    """The leaderboard, if it has every trial that did not fail."""
    try:
        board = read_leaderboard(folder)
    except TrainingDataError as error:
        msg = (
            f"the test set of {folder} stays sealed: no leaderboard has chosen a winner yet; finish the training first"
        )
        raise TestSetError(msg) from error
    trained = {spec.name for spec in specs if read_failure(folder.trial(spec.name)) is None}
    if missing := trained - {row.trial for row in board.rows}:
        names = ", ".join(sorted(missing))
        msg = f"the test set of {folder} stays sealed: {names} not in the leaderboard; train them first"
        raise TestSetError(msg)
    return board


def read_opening(folder: RunFolder) -> Opening | None:
    """When the test set of a run was opened; None: it is sealed."""
    return Opening.model_validate_json(folder.opening.read_bytes()) if folder.opening.exists() else None
