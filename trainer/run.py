"""The life of a run: config frozen, films split, networks trained, winner chosen, test set opened once."""

from pathlib import Path

from rich.progress import Progress

from schemas.errors import TestSetError
from schemas.trial import TrialRecord
from trainer.config import RunConfig, freeze_config
from trainer.data import split_data
from trainer.leaderboard import Leaderboard, rank, write_leaderboard
from trainer.testset import open_test_set, read_opening
from trainer.trial import TRIAL, TRIALS, evaluate_on_test, make_trial, read_trial, trial_directory


def train(config: RunConfig, run: Path, *, command: str, progress: Progress) -> Leaderboard:
    """Train every architecture and seed of `config`, choose on validation, then open the test set.

    A run that was stopped, even by `kill -9`, goes on where it was: what has ended is read, not repeated.

    Args:
        config: what to train and how.
        run: folder of the run; made, or continued when it was started with an equal config.
        command: what the user typed, for the record.
        progress: where epochs and films are shown.

    Raises:
        CxrError: see `freeze_config`, `split_data`, `make_trial` and `open_test_set`.
    """
    freeze_config(config, run)
    data = split_data(config, run)
    trials: dict[str, TrialRecord] = {}
    for name in config.archs:
        for seed in config.seeds:
            directory = trial_directory(run, name, seed)
            if read_opening(run) and not (directory / TRIAL).exists():
                msg = f"{directory.name} would be trained after the test set of {run} was opened; give another --out"
                raise TestSetError(msg)
            trials[directory.name] = make_trial(config, data, name, seed, run=run, command=command, progress=progress)
    board = rank(trials)
    if not read_opening(run):
        write_leaderboard(board, run)
    if any(data.counts["test"].values()) and any(record.test is None for record in trials.values()):
        films = open_test_set(config, run)
        for trial in trials:
            if read_trial(run / TRIALS / trial).test is None:
                evaluate_on_test(config, run / TRIALS / trial, films)
    return board
