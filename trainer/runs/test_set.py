"""The test set: sealed until every trial stands in a leaderboard with its winner, and opened once."""

from datetime import UTC, datetime
from pathlib import Path

from bundle.files import sha256_of, write_whole
from schemas.errors import TestSetError, TrainingDataError
from schemas.record import Record, Sha256
from trainer.config import RunConfig
from trainer.films.dataset import split_of
from trainer.films.film import Film
from trainer.runs.leaderboard import LEADERBOARD, read_leaderboard
from trainer.trials.failure import read_failure
from trainer.trials.trial import TRIALS, read_trial
from trainer.trials.trial_spec import plans

OPENED = "test_opened.json"


class Opening(Record):
    """When the seal was broken, and for which leaderboard."""

    opened_at: datetime
    winner: str
    leaderboard_sha256: Sha256


def open_test_set(config: RunConfig, run: Path) -> tuple[Film, ...]:
    """The run's test films, the only way to them; from here on the run trains no more.

    A run that was killed between the opening and its last evaluation may open again, for the same leaderboard.

    Raises:
        TestSetError: a trial of the run is not in the leaderboard, or the test set was opened before.
    """
    try:
        board = read_leaderboard(run)
    except TrainingDataError as error:
        msg = f"the test set of {run} stays sealed: no leaderboard has chosen a winner yet; finish the training first"
        raise TestSetError(msg) from error
    wanted = {plan.name for plan in plans(config) if read_failure(run / TRIALS / plan.name) is None}
    if missing := wanted - {row.trial for row in board.rows}:
        msg = (
            f"the test set of {run} stays sealed: {', '.join(sorted(missing))} not in the leaderboard; train them first"
        )
        raise TestSetError(msg)
    digest = sha256_of(run / LEADERBOARD)
    before = read_opening(run)
    finished = all(read_trial(run / TRIALS / row.trial).test for row in board.rows)
    if before and (finished or before.leaderboard_sha256 != digest):
        msg = f"the test set of {run} was opened at {before.opened_at:%Y-%m-%d %H:%M} UTC, for {before.winner}; its figures stand in each trial.json"
        raise TestSetError(msg)
    if not before:
        opening = Opening(opened_at=datetime.now(UTC), winner=board.winner.trial, leaderboard_sha256=digest)
        write_whole(run / OPENED, opening.model_dump_json(indent=2).encode())
    return split_of(config, run).of("test")


def read_opening(run: Path) -> Opening | None:
    """When the test set of a run was opened; None: it is sealed."""
    path = run / OPENED
    return Opening.model_validate_json(path.read_bytes()) if path.exists() else None
