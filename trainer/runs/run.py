"""A run: the same films for every network, each trained, one chosen on validation, then the test set."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from rich.progress import Progress

from schemas.errors import CxrError, TestSetError, TrainingConfigError, TrainingDataError
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig
from trainer.films.dataset import DataRecord, split_data
from trainer.judging.outputs import VALIDATION_OUTPUTS, SavedOutputs
from trainer.networks.weights import require_files
from trainer.runs.ensemble import evaluate_ensemble_on_test, make_ensembles
from trainer.runs.freeze import freeze_config
from trainer.runs.leaderboard import Leaderboard, rank, read_leaderboard, write_leaderboard
from trainer.runs.progress_table import TrialTable
from trainer.runs.search import Settings, search
from trainer.runs.test_set import open_test_set, read_opening
from trainer.trials.ancestry import require_same_split
from trainer.trials.failure import FAILURE, read_failure, write_failure
from trainer.trials.teachers import Teachers, find_teachers
from trainer.trials.tracking import require_tracking
from trainer.trials.trial import TRIAL, TRIALS, evaluate_on_test, make_trial, plan_films, read_trial
from trainer.trials.trial_spec import Plan, plans


def train(  # noqa: PLR0913 - what a run is a function of, and where it tells
    config: RunConfig,
    run: Path,
    *,
    command: str,
    progress: Progress,
    table: TrialTable | None = None,
    retry_failed: bool = False,
) -> Leaderboard:
    """Train every architecture, seed and fold of `config`, choose on validation, then open the test set.

    A run that was stopped, even by `kill -9`, goes on where it was: what has ended is read, not repeated. A trial
    that fails is recorded, and the rest goes on.

    Args:
        config: what to train and how.
        run: folder of the run; made, or continued when it was started with an equal config.
        command: what the user typed, for the record.
        progress: where epochs and films are shown.
        table: where the state of the trials is shown.
        retry_failed: train the trials again that failed before.

    Raises:
        CxrError: see `freeze_config`, `split_data`, `require_same_split` and `open_test_set`; or what the first trial died
            of, when none is left.
    """
    require_tracking()
    require_files(config.weights.values())
    freeze_config(config, run)
    wanted = plans(config)
    table = table or TrialTable(wanted)
    if retry_failed:
        if read_opening(run):
            msg = f"the test set of {run} was opened: its failed trials stay failed; give another --out"
            raise TestSetError(msg)
        for plan in wanted:
            (run / TRIALS / plan.name / FAILURE).unlink(missing_ok=True)
    data = split_data(config, run)
    require_same_split(config, data)
    _refuse_late_training(run, wanted)
    try:
        settings = _settings(config, data, run, progress)
        teach = find_teachers(config, data)
        trials = _train_all(
            config, data, wanted, settings, teach, run=run, command=command, progress=progress, table=table
        )
        board = _choose(config, data, run, trials)
        _test(config, data, run, board)
    except OSError as error:
        msg = (
            f"{run} cannot be written ({error.strerror}); free some space and start again: the run goes on where it was"
        )
        raise TrainingDataError(msg) from error
    return board


def _refuse_late_training(run: Path, wanted: tuple[Plan, ...]) -> None:
    for plan in wanted:
        directory = run / TRIALS / plan.name
        if read_opening(run) and not (directory / TRIAL).exists() and read_failure(directory) is None:
            msg = f"{plan.name} would be trained after the test set of {run} was opened; give another --out"
            raise TestSetError(msg)


def _settings(config: RunConfig, data: DataRecord, run: Path, progress: Progress) -> Mapping[str, Settings]:
    """What the search found for each architecture; nothing without a search."""
    if config.search is None or read_opening(run):
        return {}
    found = {}
    for name in config.archs:
        plan = Plan(name, config.seeds[0], None if config.folds is None else 0)
        train_films, validation = plan_films(config, data, plan, run)
        found[name] = search(config, config.search, name, train_films, validation, run=run, progress=progress)
    return found


def _train_all(  # noqa: PLR0913 - what trials are a function of, and where they tell
    config: RunConfig,
    data: DataRecord,
    wanted: tuple[Plan, ...],
    settings: Mapping[str, Settings],
    teach: Teachers | None,
    *,
    run: Path,
    command: str,
    progress: Progress,
    table: TrialTable,
) -> dict[str, TrialRecord]:
    """The records of the trials that end with a network.

    Raises:
        CxrError: what the first died of, when none is left.
    """
    trials: dict[str, TrialRecord] = {}
    reasons: list[CxrError] = []
    for plan in wanted:
        directory = run / TRIALS / plan.name
        if failed := read_failure(directory):
            reasons.append(
                TrainingConfigError(f"{plan.name} failed before ({failed.message}); try again by --retry-failed")
            )
            table.failed(plan)
            continue
        if not (directory / TRIAL).exists():
            progress.console.print(plan.name, markup=False, highlight=False)
        table.started(plan, config.recipe(plan.architecture).epochs)
        try:
            record = make_trial(
                config,
                data,
                plan,
                settings.get(plan.architecture, {}),
                run=run,
                command=command,
                progress=progress,
                on_epoch=partial(table.advanced, plan),
                teach=teach,
            )
        except (CxrError, RuntimeError, MemoryError) as error:  # torch raises RuntimeError for whatever it cannot do
            failed = write_failure(directory, error)
            progress.console.print(f"  {plan.name} failed ({failed.code}): {failed.message}", markup=False)
            reasons.append(
                error if isinstance(error, CxrError) else TrainingConfigError(f"{plan.name}: {failed.message}")
            )
            table.failed(plan)
        else:
            trials[plan.name] = record
            table.ended(plan, record.validation.auroc.value)
    if not trials:
        raise reasons[0]
    return trials


def _choose(config: RunConfig, data: DataRecord, run: Path, trials: dict[str, TrialRecord]) -> Leaderboard:
    """Rank the trials and their ensembles; after the test set was opened the order stands."""
    if read_opening(run):
        return read_leaderboard(run)
    ranked = trials | make_ensembles(config, data, run, trials)
    board = rank(ranked, {name: SavedOutputs.read(run / TRIALS / name / VALIDATION_OUTPUTS) for name in ranked})
    write_leaderboard(board, run)
    return board


def _test(config: RunConfig, data: DataRecord, run: Path, board: Leaderboard) -> None:
    """Open the test set, once, and evaluate every row on it; ensembles last, from what their members said."""
    names = [row.trial for row in board.rows]
    untested = [name for name in names if read_trial(run / TRIALS / name).test is None]
    if not untested or not any(data.counts["test"].values()):
        return
    films = open_test_set(config, run)
    for name in untested:
        if read_trial(run / TRIALS / name).members:
            evaluate_ensemble_on_test(run, name, films)
        else:
            evaluate_on_test(config, run / TRIALS / name, films)
