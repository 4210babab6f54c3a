"""A sweep: films and config written once, its trials run elsewhere, and then ranked and tested as those of any run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import TrainingConfigError
from trainer.config import RunConfig
from trainer.folder import RunFolder
from trainer.reporter import Reporter
from trainer.runs.leaderboard import Leaderboard
from trainer.runs.run import carry_out, prepare
from trainer.sweeps.executor import Executor
from trainer.sweeps.progress import Progress
from trainer.sweeps.storage import Storage
from trainer.sweeps.sweep_trial import Share, SweepTrial
from trainer.trials.trial_spec import trial_specs


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is trained, and where."""

    config: RunConfig
    folder: RunFolder
    storage: Storage
    storage_url: str | None
    share: Share
    command: str
    """What the user typed, for the record."""


def sweep(sweeping: Sweep, executor: Executor, reporter: Reporter, *, retry_failed: bool = False) -> Leaderboard | None:
    """Run every trial that has not ended, then rank all and open the test set once.

    Args:
        sweeping: what is trained, and where.
        executor: runs the trials.
        reporter: receives the progress.
        retry_failed: train the trials again that failed before.

    Returns:
        The leaderboard; None where trials are left: the same command goes on with them.

    Raises:
        CxrError: see `trainer.runs.run.train`; or the config searches.
    """
    config, folder, storage = sweeping.config, sweeping.folder, sweeping.storage
    if config.search is not None:
        msg = (
            f"search.method={config.search.method} with --on: each fit of a search depends on those before it; search "
            "without --on, then give the settings that it chose to the sweep"
        )
        raise TrainingConfigError(msg)
    trials = sweep_trials(sweeping)
    _fetch(sweeping, trials)
    failures = [trial.name for trial in trials if folder.trial(trial.name).failure.exists()]
    context = prepare(config, folder, command=sweeping.command, reporter=reporter, retry_failed=retry_failed)
    if retry_failed:
        for name in failures:
            storage.forget(folder, folder.trial(name).failure)
    storage.send_run(folder)
    progress = Progress(config, folder, storage, reporter)
    left = progress.left(trials)
    if left:
        executor.run(left, lambda: progress.look(left), reporter.message)
        _fetch(sweeping, trials)
    if progress.left(trials):
        return None
    return carry_out(context)


def sweep_trials(sweeping: Sweep) -> tuple[SweepTrial, ...]:
    """Every trial of a sweep, architecture by architecture."""
    config = sweeping.config
    return tuple(
        SweepTrial(
            index=index,
            architecture=spec.architecture,
            seed=spec.seed,
            fold=spec.fold,
            name=spec.name,
            run=str(sweeping.folder.path.resolve()),
            storage=sweeping.storage_url,
            directory=str(Path.cwd()),
            share=sweeping.share,
        )
        for index, spec in enumerate(trial_specs(config.networks, config.data.folds))
    )


def _fetch(sweeping: Sweep, trials: Sequence[SweepTrial]) -> None:
    """Have here what has ended elsewhere."""
    folder, storage = sweeping.folder, sweeping.storage
    for trial in trials:
        local = folder.trial(trial.name)
        if local.record.exists() or local.failure.exists():
            continue
        if any(storage.read(folder, path) is not None for path in (local.record, local.failure)):
            storage.take_trial(local)
