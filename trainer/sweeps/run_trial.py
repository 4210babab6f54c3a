"""What the command `trial` does: one trial of a run that is there, trained or gone on with, on whichever machine."""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from schemas.errors import CxrError, TrainingConfigError
from trainer.config import read_config
from trainer.films.dataset import read_dataset
from trainer.folder import RunFolder, TrialFolder
from trainer.reporter import EpochSummary, Progress, Reporter
from trainer.runs.run import attempt, refuse_late_training
from trainer.sweeps.storage import Storage, StorageError
from trainer.trials.context import RunContext
from trainer.trials.teachers import find_teachers
from trainer.trials.trial_spec import TrialSpec, trial_specs


@dataclass(frozen=True, slots=True)
class _Sending:
    """Reports to another reporter, and gives the other machines each epoch once it is on disk."""

    reporter: Reporter
    storage: Storage
    folder: TrialFolder

    def message(self, text: str) -> None:
        self.reporter.message(text)

    def stage(self, description: str) -> AbstractContextManager[Progress]:
        return self.reporter.stage(description)

    def trial_started(self, trial: str, epochs: int) -> None:
        self.reporter.trial_started(trial, epochs)

    def epoch_ended(self, trial: str, epoch: EpochSummary) -> None:
        try:
            self.storage.send_trial(self.folder)
        except StorageError as error:  # not the trial's failure; the next epoch sends what this one could not
            self.reporter.message(f"  {error}; the training goes on")
        self.reporter.epoch_ended(trial, epoch)

    def trial_ended(self, trial: str, validation_auroc: float) -> None:
        self.reporter.trial_ended(trial, validation_auroc)

    def trial_failed(self, trial: str) -> None:
        self.reporter.trial_failed(trial)


def run_trial(folder: RunFolder, name: str, storage: Storage, reporter: Reporter, *, command: str) -> CxrError | None:
    """Train one trial of a run; one that has ended is left as it is, one that was killed goes on from its checkpoint.

    A second process that is given the same trial on the same disk waits until the first has ended.

    Args:
        folder: of the run, which the sweep has written; on a machine with another storage it is filled from there.
        name: of the trial.
        storage: where the other machines look.
        reporter: receives the progress.
        command: for the record.

    Returns:
        Why the trial failed, now or before; None: it has ended with a network.

    Raises:
        StorageError: the storage is away; started again, the trial goes on, or sends what it has.
        CxrError: there is no such run, no such trial, its test set was opened, or films are missing.
    """
    storage.take_run(folder)
    spec = _find(folder, name)
    trial = folder.trial(name)
    with _alone(folder, name):
        if not trial.record.exists():
            storage.take_trial(trial)
        refuse_late_training(folder, [spec])
        outcome = attempt(_context(folder, _Sending(reporter, storage, trial), command), spec, {})
        storage.send_trial(trial)
    if isinstance(outcome, CxrError):
        return outcome
    reporter.message(f"{name}: validation AUROC {outcome.validation.auroc}")
    return None


def _find(folder: RunFolder, name: str) -> TrialSpec:
    config = read_config(folder)
    specs = {spec.name: spec for spec in trial_specs(config.networks, config.data.folds)}
    if name not in specs:
        msg = f"{folder} has no trial {name!r}; it has {', '.join(specs)}"
        raise TrainingConfigError(msg)
    return specs[name]


def _context(folder: RunFolder, reporter: Reporter, command: str) -> RunContext:
    config = read_config(folder)
    dataset = read_dataset(folder, config.data)
    teachers = find_teachers(config.learn, config.networks, dataset)
    return RunContext(folder, config, dataset, reporter, command, teach=teachers)


@contextmanager
def _alone(folder: RunFolder, name: str) -> Iterator[None]:
    """Only one process trains a trial: one that was believed dead may still be ending."""
    path = folder.lock(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
