"""A run starts from a trial of ours only when that has seen no film that validates or tests here."""

import shutil

import pytest
from rich.console import Console
from rich.progress import Progress

from schemas.errors import TrainingConfigError
from trainer.config import make_config, read_config
from trainer.films.dataset import read_data
from trainer.runs.run import train
from trainer.trials.ancestry import require_same_split
from trainer.trials.trial import TRIALS, read_trial, write_trial

TRIAL = "cnn_baseline-seed0"


def started(run, weights, **options):
    """The config of a run whose network starts from `weights`."""
    return make_config(read_config(run).model_dump() | {"weights": {"cnn_baseline": str(weights)}} | options)


@pytest.mark.parametrize(("options", "reason"), [({"split_seed": 1}, "its split"), ({"folds": 3}, "its folds: None")])
def test_weights_of_a_trial_of_another_split_stop_the_run_before_anything_is_trained(
    viewed_run, tmp_path, options, reason
) -> None:
    weights = viewed_run / TRIALS / TRIAL / "best.safetensors"

    with (
        pytest.raises(TrainingConfigError, match=rf"weights of {TRIAL} cannot start cnn_baseline: {reason}.*films"),
        Progress(console=Console(quiet=True)) as progress,
    ):
        train(started(viewed_run, weights, **options), tmp_path / "run", command="train", progress=progress)

    assert not (tmp_path / "run" / TRIALS).exists()


def test_weights_of_a_fold_are_refused(viewed_run, tmp_path) -> None:
    fold = shutil.copytree(viewed_run / TRIALS / TRIAL, tmp_path / "fold")
    write_trial(fold, read_trial(fold).model_copy(update={"fold": 1}))

    with pytest.raises(TrainingConfigError, match="its fold: 1, here: None"):
        require_same_split(started(viewed_run, fold / "best.safetensors"), read_data(viewed_run))


def test_weights_of_the_same_split_start_another_network(viewed_run) -> None:
    weights = viewed_run / TRIALS / TRIAL / "best.safetensors"

    require_same_split(started(viewed_run, weights), read_data(viewed_run))


@pytest.mark.parametrize("weights", ["none", "hub", None])
def test_weights_that_are_of_no_trial_are_not_asked_for_their_split(viewed_run, tmp_path, weights) -> None:
    public = shutil.copy(viewed_run / TRIALS / TRIAL / "best.safetensors", tmp_path / "public.safetensors")
    other = read_data(viewed_run).model_copy(update={"split_sha256": "0" * 64})

    require_same_split(started(viewed_run, weights or public, folds=3), other)
