"""Networks that a run builds on: none of them may have been trained on films that validate or test here."""

from collections.abc import Mapping
from pathlib import Path

from schemas.errors import TrainingConfigError
from trainer.films.dataset import Dataset
from trainer.folder import TrialFolder
from trainer.trials.record import read_trial


def require_same_split(weights: Mapping[str, str], dataset: Dataset) -> None:
    """Refuse to start from a trial that was trained on another split.

    Weights without a trial.json in their folder, such as public ones, are not checked: they are of other films.

    Args:
        weights: source of the first weights of each architecture.
        dataset: of this run.

    Raises:
        TrainingConfigError: the weights are of a trial of another split or of a fold, or this run has folds, each of
            which validates with films that another split, or the split itself, trains on.
        TrainingDataError: the record of the weights is of another version.
    """
    for name, source in weights.items():
        folder = TrialFolder(Path(source).parent)
        if not Path(source).is_file() or not folder.record.exists():
            continue
        record = read_trial(folder)
        require_equal(
            f"the weights of {folder.name} cannot start {name}",
            {"split": record.provenance.split_sha256, "fold": record.fold, "folds": None},
            {"split": dataset.record.split_sha256, "fold": None, "folds": dataset.options.folds},
            "films that validate or test here may have trained it: train it on the same split without folds first, or "
            "give weights of other films",
        )


def require_equal(refusal: str, theirs: Mapping[str, object], ours: Mapping[str, object], remedy: str) -> None:
    """Refuse a network that does not fit this run.

    Raises:
        TrainingConfigError: `refusal`, the first that differs, and the remedy.
    """
    for what, value in ours.items():
        if theirs[what] != value:
            msg = f"{refusal}: its {what}: {theirs[what]}, here: {value}; {remedy}"
            raise TrainingConfigError(msg)
