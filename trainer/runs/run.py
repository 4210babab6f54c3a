"""A run: the same films for every network, each trained, one chosen on validation, then the test set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas.errors import CxrError, TestSetError, TrainingConfigError, TrainingDataError
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig
from trainer.films.dataset import prepare_dataset
from trainer.folder import RunFolder
from trainer.judging.outputs import SavedOutputs
from trainer.looking.marks import require_marks
from trainer.networks.weights import require_files
from trainer.reporter import Reporter, SilentReporter
from trainer.runs.ensemble import evaluate_ensemble_on_test, make_ensembles
from trainer.runs.freeze import freeze_config
from trainer.runs.leaderboard import Leaderboard, rank, read_leaderboard, write_leaderboard
from trainer.runs.search import search
from trainer.runs.test_set import open_test_set, read_opening
from trainer.together import current
from trainer.trials.ancestry import require_same_split
from trainer.trials.context import RunContext
from trainer.trials.evaluate_trial import evaluate_on_test
from trainer.trials.failure import read_failure, write_failure
from trainer.trials.make_trial import SearchedFields, make_trial
from trainer.trials.record import read_trial
from trainer.trials.teachers import find_teachers
from trainer.trials.tracking import require_tracking
from trainer.trials.trial_spec import TrialSpec, trial_specs


def train(
    config: RunConfig,
    folder: RunFolder,
    *,
    command: str,
    reporter: Reporter | None = None,
    retry_failed: bool = False,
) -> Leaderboard:
    """Train every architecture, seed and fold of `config`, choose on validation, then open the test set.

    A run that was stopped, even by `kill -9`, goes on where it was: what has ended is read, not repeated. A trial
    that fails is recorded, and the rest goes on.

    Args:
        config: what to train and how.
        folder: of the run; made, or continued when it was started with an equal config.
        command: what the user typed, for the record.
        reporter: receives the progress; None: nobody does.
        retry_failed: train the trials again that failed before.

    Raises:
        CxrError: see `freeze_config`, `prepare_dataset`, `require_same_split` and `open_test_set`; or why the first
            trial failed, when none is left.
    """
    return carry_out(prepare(config, folder, command=command, reporter=reporter, retry_failed=retry_failed))


def prepare(
    config: RunConfig,
    folder: RunFolder,
    *,
    command: str,
    reporter: Reporter | None = None,
    retry_failed: bool = False,
) -> RunContext:
    """Write down config and films of a run before anything is trained; see `train` for the arguments.

    Raises:
        CxrError: see `freeze_config`, `prepare_dataset` and `require_same_split`; or the test set was opened, and a
            trial is left.
    """
    require_tracking()
    require_files(config.networks.weights.values())
    freeze_config(config, folder)
    specs = trial_specs(config.networks, config.data.folds)
    if retry_failed:
        _forget_failures(folder, specs)
    context = _begin(config, folder, command, reporter or SilentReporter())
    refuse_late_training(folder, specs)
    return context


def _forget_failures(folder: RunFolder, specs: Sequence[TrialSpec]) -> None:
    if read_opening(folder):
        msg = f"the test set of {folder} was opened: its failed trials stay failed; give another --out"
        raise TestSetError(msg)
    for spec in specs:
        folder.trial(spec.name).failure.unlink(missing_ok=True)


def _begin(config: RunConfig, folder: RunFolder, command: str, reporter: Reporter) -> RunContext:
    """Index and split the films."""
    with reporter.stage("reading the films") as progress:
        dataset = prepare_dataset(config.data, folder, progress)
    for line in dataset.record.sentences:
        reporter.message(line)
    require_same_split(config.networks.weights, dataset)
    require_marks(dataset.films("val"), config.judge)
    return RunContext(folder, config, dataset, reporter, command, together=current())


def refuse_late_training(folder: RunFolder, specs: Sequence[TrialSpec]) -> None:
    """Check that no trial is left once the test set was opened.

    Raises:
        TestSetError: one is.
    """
    if not read_opening(folder):
        return
    for spec in specs:
        trial = folder.trial(spec.name)
        if not trial.record.exists() and read_failure(trial) is None:
            msg = f"{spec.name} would be trained after the test set of {folder} was opened; give another --out"
            raise TestSetError(msg)


def carry_out(context: RunContext) -> Leaderboard:
    """Everything of `train` after `prepare`.

    Raises:
        CxrError: see `train`.
    """
    specs = trial_specs(context.config.networks, context.config.data.folds)
    try:
        return _carry_out(context, specs)
    except OSError as error:
        msg = (
            f"{context.folder} cannot be written ({error.strerror}); free some space and start again: the run goes on "
            "where it was"
        )
        raise TrainingDataError(msg) from error


def _carry_out(context: RunContext, specs: Sequence[TrialSpec]) -> Leaderboard:
    searched = _search(context)
    teachers = find_teachers(context.config.learn, context.config.networks, context.dataset)
    trials = _train_all(replace(context, teach=teachers), specs, searched)
    board = _choose(context, trials)
    _test(context, specs, board)
    return board


def _search(context: RunContext) -> Mapping[str, SearchedFields]:
    """The best settings of each architecture; nothing without a search, or once the test set was opened."""
    config = context.config
    if config.search is None or read_opening(context.folder):
        return {}
    best = {}
    for name in config.networks.archs:
        plan = replace(context.fit_plan(TrialSpec(name, config.networks.seeds[0])), seed=0)
        best[name] = search(plan, config.learn, config.search, context.folder, context.reporter)
    return best


def _train_all(
    context: RunContext, specs: Sequence[TrialSpec], searched: Mapping[str, SearchedFields]
) -> dict[str, TrialRecord]:
    """The records of the trials that end with a network.

    Raises:
        CxrError: why the first trial failed, when none is left.
    """
    trials: dict[str, TrialRecord] = {}
    reasons: list[CxrError] = []
    for spec in specs:
        outcome = attempt(context, spec, searched.get(spec.architecture, {}))
        if isinstance(outcome, CxrError):
            reasons.append(outcome)
            context.reporter.trial_failed(spec.name)
        else:
            trials[spec.name] = outcome
            context.reporter.trial_ended(spec.name, outcome.validation.auroc.value)
    if not trials:
        raise reasons[0]
    return trials


def attempt(context: RunContext, spec: TrialSpec, searched: SearchedFields) -> TrialRecord | CxrError:
    """The record of a trial, or why it failed, now or in an earlier attempt.

    Args:
        context: of the run.
        spec: which trial; one that has ended is read, one that was stopped goes on.
        searched: what a search changed in the section `learn`.
    """
    folder = context.folder.trial(spec.name)
    if failed := read_failure(folder):
        return TrainingConfigError(f"{spec.name} failed before ({failed.message}); try again by --retry-failed")
    if not folder.record.exists():
        context.reporter.message(spec.name)
        context.reporter.trial_started(spec.name, context.config.learn.recipe(spec.architecture).epochs)
    try:
        return make_trial(context, spec, searched)
    except (CxrError, RuntimeError, MemoryError) as error:  # torch raises RuntimeError for whatever it cannot do
        failed = write_failure(folder, error)
        context.reporter.message(f"  {spec.name} failed ({failed.code}): {failed.message}")
        return error if isinstance(error, CxrError) else TrainingConfigError(f"{spec.name}: {failed.message}")


def _choose(context: RunContext, trials: Mapping[str, TrialRecord]) -> Leaderboard:
    """Rank the trials and their ensembles; after the test set was opened the order stands."""
    folder = context.folder
    if read_opening(folder):
        return read_leaderboard(folder)
    ranked = {**trials, **make_ensembles(context, trials)}
    outputs = {name: SavedOutputs.read(folder.trial(name).outputs("validation")) for name in ranked}
    board = rank(ranked, outputs)
    write_leaderboard(board, folder)
    return board


def _test(context: RunContext, specs: Sequence[TrialSpec], board: Leaderboard) -> None:
    """Open the test set, once, and evaluate every row on it; ensembles last, from the outputs of their members."""
    trials = [context.folder.trial(row.trial) for row in board.rows]
    untested = [trial for trial in trials if read_trial(trial).test is None]
    if not untested or not any(context.dataset.record.counts["test"].values()):
        return
    films = open_test_set(context.folder, specs, context.dataset)
    for trial in untested:
        if read_trial(trial).members:
            evaluate_ensemble_on_test(context, trial, films)
        else:
            evaluate_on_test(context, trial, films)
