"""How far the trials of a sweep are, read from the records that they write; whoever runs them need not say so."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.model.trial import TrialRecord
from trainer.config import RunConfig
from trainer.folder import RunFolder
from trainer.learning.history import EpochRecord
from trainer.reporter import Reporter
from trainer.sweeps.storage import Storage, StorageError
from trainer.sweeps.sweep_trial import SweepTrial
from trainer.trials.failure import FailedTrial


@dataclass(frozen=True, slots=True)
class Progress:
    """Reports each epoch and each end once."""

    config: RunConfig
    folder: RunFolder
    storage: Storage
    reporter: Reporter
    _epochs: Counter[str] = field(default_factory=Counter)
    _ended: set[str] = field(default_factory=set)
    _faults: list[StorageError] = field(default_factory=list)
    """Since the storage has answered."""

    def left(self, trials: Sequence[SweepTrial]) -> tuple[SweepTrial, ...]:
        """The trials that have neither a record nor a failure."""
        folders = {trial: self.folder.trial(trial.name) for trial in trials}
        return tuple(trial for trial, at in folders.items() if not at.record.exists() and not at.failure.exists())

    def look(self, trials: Sequence[SweepTrial]) -> None:
        """Report what is new; what cannot be read now is read later, and no trial ends because of it."""
        for trial in trials:
            if trial.name in self._ended:
                continue
            try:
                self._report_epochs(trial)
                self._report_end(trial.name)
            except StorageError as error:
                if not self._faults:
                    self.reporter.message(f"{error}; the trials go on")
                self._faults.append(error)
                return
        self._faults.clear()

    def _report_epochs(self, trial: SweepTrial) -> None:
        name = trial.name
        lines = (self.storage.read(self.folder, self.folder.trial(name).history) or b"").splitlines()
        history = [EpochRecord(**json.loads(line)) for line in lines]
        if history and not self._epochs[name]:
            self.reporter.trial_started(name, self.config.learn.recipe(trial.architecture).epochs)
        best = max(range(len(history)), key=lambda epoch: history[epoch].val_auroc, default=-1)
        for record in history[self._epochs[name] :]:
            self.reporter.message(name)
            self.reporter.epoch_ended(name, record.summary(best=record.epoch == best))
        self._epochs[name] = max(len(history), self._epochs[name])

    def _report_end(self, name: str) -> None:
        folder = self.folder.trial(name)
        if (record := self.storage.read(self.folder, folder.record)) is not None:
            self._ended.add(name)
            self.reporter.trial_ended(name, TrialRecord.model_validate_json(record).validation.auroc.value)
        elif (failure := self.storage.read(self.folder, folder.failure)) is not None:
            self._ended.add(name)
            failed = FailedTrial.model_validate_json(failure)
            self.reporter.message(f"{name} failed ({failed.code}): {failed.message}")
            self.reporter.trial_failed(name)
