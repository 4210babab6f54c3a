"""Networks that a run builds on: none of them may know films that validate or test here."""

from collections.abc import Mapping
from pathlib import Path

from schemas.errors import TrainingConfigError
from trainer.config import RunConfig
from trainer.films.dataset import DataRecord
from trainer.trials.trial import TRIAL, read_trial


def require_same_split(config: RunConfig, data: DataRecord) -> None:
    """Refuse to start from a trial that was trained on another split.

    Weights without a trial.json beside them, such as public ones, are not asked: they are of other films.

    Raises:
        TrainingConfigError: the weights are of a trial of another split or of a fold, or this run has folds, each of
            which validates with films that another split, or the split itself, trains on.
        TrainingDataError: the record beside the weights is of another version.
    """
    for name, source in config.weights.items():
        directory = Path(source).parent
        if not Path(source).is_file() or not (directory / TRIAL).exists():
            continue
        record = read_trial(directory)
        require_equal(
            f"the weights of {directory.name} cannot start {name}",
            {"split": record.provenance.split_sha256, "fold": record.fold, "folds": None},
            {"split": data.split_sha256, "fold": None, "folds": config.folds},
            "films that validate or test here may have trained it: train it on the same split without folds first, or "
            "give weights of other films",
        )


def require_equal(refusal: str, theirs: Mapping[str, object], ours: Mapping[str, object], remedy: str) -> None:
    """What is known of a network must be what this run has.

    Raises:
        TrainingConfigError: `refusal`, the first that differs, and the remedy.
    """
    for what, value in ours.items():
        if theirs[what] != value:
            msg = f"{refusal}: its {what}: {theirs[what]}, here: {value}; {remedy}"
            raise TrainingConfigError(msg)
