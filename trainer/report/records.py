"""The records of a run, read for its report; it refuses to know films and networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import TrainingDataError
from schemas.model.evaluation import Evaluation, FindingMetrics
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig, read_config
from trainer.films.dataset import DataRecord, read_data
from trainer.heat_maps.explain import EXPLANATIONS, REPORT, ExplanationReport
from trainer.judging.outputs import TEST_OUTPUTS, VALIDATION_OUTPUTS, SavedOutputs
from trainer.learning.history import EpochRecord, read_history
from trainer.runs.leaderboard import Leaderboard, LeaderboardRow, read_leaderboard
from trainer.runs.test_set import Opening, read_opening
from trainer.trials.failure import FailedTrial, read_failure
from trainer.trials.trial import TRIALS, read_trial

OUTPUTS = {"validation": VALIDATION_OUTPUTS, "test": TEST_OUTPUTS}


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
        """Every evaluation that was made, by the name of the set of films."""
        sets = {"validation": self.record.validation, "test": self.record.test}
        return {name: evaluation for name, evaluation in sets.items() if evaluation is not None}

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

    folder: Path
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


def read_run(run: Path) -> RecordedRun:
    """Read the records of a run.

    Raises:
        TrainingDataError: no leaderboard yet, or a record that is missing, damaged or of another version.
        TrainingConfigError: the folder is not a run.
    """
    config = read_config(run)
    data = read_data(run)
    board = read_leaderboard(run)
    return RecordedRun(
        folder=run,
        config=config,
        data=data,
        board=board,
        opening=read_opening(run),
        trials=tuple(_trial(run, row) for row in board.rows),
        failures=_failures(run / TRIALS),
    )


def _trial(run: Path, row: LeaderboardRow) -> RecordedTrial:
    directory = run / TRIALS / row.trial
    record = read_trial(directory)
    outputs = {
        name: SavedOutputs.read(directory / file)
        for name, file in OUTPUTS.items()
        # Outputs on the test films count from the moment that their evaluation stands in the record.
        if (directory / file).exists() and (name == "validation" or record.test is not None)
    }
    explained = run / EXPLANATIONS / row.trial / REPORT
    return RecordedTrial(row, record, read_history(directory), outputs, _explanations(explained))


def _failures(trials: Path) -> dict[str, FailedTrial]:
    failures = {directory.name: read_failure(directory) for directory in sorted(trials.iterdir())}
    return {name: failure for name, failure in failures.items() if failure is not None}


def _explanations(path: Path) -> ExplanationReport | None:
    if not path.exists():
        return None
    try:
        return ExplanationReport.model_validate_json(path.read_bytes())
    except ValidationError as error:
        msg = f"{path} is damaged or of another version; move it away to have the report without it"
        raise TrainingDataError(msg) from error
