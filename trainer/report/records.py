"""Read the records of a run. read for its report; it refuses to know films and networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import TrainingDataError
from schemas.model.evaluation import Evaluation, FindingMetrics
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig, read_config
from trainer.films.dataset import DataRecord, read_data
from trainer.folder import PARTS, RunFolder, TrialFolder
from trainer.heat_maps.explain import ExplanationReport
from trainer.judging.outputs import SavedOutputs
from trainer.learning.history import EpochRecord, read_history
from trainer.runs.leaderboard import Leaderboard, LeaderboardRow, read_leaderboard
from trainer.runs.test_set import Opening, read_opening
from trainer.trials.failure import FailedTrial, read_failure
from trainer.trials.record import read_trial


@dataclass(frozen=True, slots=True)
class RecordedTrial:
    """A trial that ended."""

    row: LeaderboardRow
    record: TrialRecord
    history: tuple[EpochRecord, ...]
    """Empty where no network was trained: an average of others."""
    outputs: Mapping[str, SavedOutputs]
    """By the name of the set of films; without a set whose outputs were not kept."""
    explanations: ExplanationReport | None

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """What was measured, by the name of the set of films."""
        found = {"validation": self.record.validation, "test": self.record.test}
        return {name: evaluation for name, evaluation in found.items() if evaluation is not None}

    def at_operating_point(self, finding: str) -> dict[str, FindingMetrics]:
        """The figures of a finding at its operating point, by the name of the set of films."""
        points = {point.finding: point.threshold for point in self.record.calibration.operating_points}
        return {
            name: metrics
            for name, evaluation in self.evaluations.items()
            for metrics in evaluation.findings
            if (metrics.finding, metrics.threshold) == (finding, points[finding])
        }


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run whose winner was chosen."""

    folder: RunFolder
    config: RunConfig
    data: DataRecord
    board: Leaderboard
    opening: Opening | None
    """None: the test set is sealed."""
    trials: tuple[RecordedTrial, ...]
    """In the order of the leaderboard, the winner first."""
    failures: Mapping[str, FailedTrial]
    """By the name of the trial's folder."""

    @property
    def winner(self) -> RecordedTrial:
        """The trial that validation chose."""
        return self.trials[0]


def read_run(folder: RunFolder) -> RecordedRun:
    """Read the records of a run.

    Raises:
        TrainingDataError: no leaderboard yet, or a record that is missing, damaged or of another version.
        TrainingConfigError: the folder is not a run.
    """
    config = read_config(folder)
    data = read_data(folder)
    board = read_leaderboard(folder)
    return RecordedRun(
        folder=folder,
        config=config,
        data=data,
        board=board,
        opening=read_opening(folder),
        trials=tuple(_trial(folder, row) for row in board.rows),
        failures=_failures(folder),
    )


def _trial(folder: RunFolder, row: LeaderboardRow) -> RecordedTrial:
    trial = folder.trial(row.trial)
    record = read_trial(trial)
    explanations = _explanations(folder.explanations(row.trial).record)
    return RecordedTrial(row, record, read_history(trial), _outputs(trial, record), explanations)


def _outputs(trial: TrialFolder, record: TrialRecord) -> dict[str, SavedOutputs]:
    return {
        part: SavedOutputs.read(trial.outputs(part))
        for part in PARTS
        # Outputs on the test films count from the moment that their evaluation stands in the record.
        if trial.outputs(part).exists() and (part == "validation" or record.test is not None)
    }


def _failures(folder: RunFolder) -> dict[str, FailedTrial]:
    failures = {trial.name: read_failure(trial) for trial in folder.trial_folders()}
    return {name: failure for name, failure in failures.items() if failure is not None}


def _explanations(path: Path) -> ExplanationReport | None:
    if not path.exists():
        return None
    try:
        return ExplanationReport.model_validate_json(path.read_bytes())
    except ValidationError as error:
        msg = f"{path} is damaged or of another version; move it away to have the report without it"
        raise TrainingDataError(msg) from error
