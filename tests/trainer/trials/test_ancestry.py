"""A run starts from a trial of ours only when that has seen no film that validates or tests here."""

import shutil
from dataclasses import replace

import pytest

from schemas.errors import TrainingConfigError
from trainer.config import make_config, read_config
from trainer.films.dataset import read_dataset
from trainer.folder import RunFolder, TrialFolder
from trainer.runs.run import train
from trainer.trials.ancestry import require_same_split
from trainer.trials.record import read_trial, write_trial

TRIAL = "cnn_baseline-seed0"


def started(run, weights, **options):
    """The config of a run whose network starts from `weights`."""
    return make_config(
        read_config(RunFolder(run)).model_dump() | {"networks.weights": {"cnn_baseline": str(weights)}} | options
    )


def check(run, config, **changes):
    """Compare with the films of a run, of which the record may be another."""
    dataset = read_dataset(RunFolder(run), config.data)
    require_same_split(config.networks.weights, replace(dataset, record=dataset.record.model_copy(update=changes)))


@pytest.mark.parametrize(
    ("options", "reason"), [({"data.split_seed": 1}, "its split"), ({"data.folds": 3}, "its folds: None")]
)
def test_weights_of_a_trial_of_another_split_stop_the_run_before_anything_is_trained(
    viewed_run, tmp_path, options, reason
) -> None:
    weights = RunFolder(viewed_run).trial(TRIAL).best_weights

    with pytest.raises(TrainingConfigError, match=rf"weights of {TRIAL} cannot start cnn_baseline: {reason}.*films"):
        train(started(viewed_run, weights, **options), RunFolder(tmp_path / "run"), command="train")

    assert not RunFolder(tmp_path / "run").trials.exists()


def test_weights_of_a_fold_are_refused(viewed_run, tmp_path) -> None:
    fold = shutil.copytree(RunFolder(viewed_run).trial(TRIAL).path, tmp_path / "fold")
    write_trial(TrialFolder(fold), read_trial(TrialFolder(fold)).model_copy(update={"fold": 1}))

    with pytest.raises(TrainingConfigError, match="its fold: 1, here: None"):
        check(viewed_run, started(viewed_run, fold / "best.safetensors"))


def test_weights_of_the_same_split_start_another_network(viewed_run) -> None:
    weights = RunFolder(viewed_run).trial(TRIAL).best_weights

    check(viewed_run, started(viewed_run, weights))


@pytest.mark.parametrize("weights", ["none", "hub", None])
def test_weights_that_are_of_no_trial_are_not_asked_for_their_split(viewed_run, tmp_path, weights) -> None:
    public = shutil.copy(RunFolder(viewed_run).trial(TRIAL).best_weights, tmp_path / "public.safetensors")
    check(viewed_run, started(viewed_run, weights or public, **{"data.folds": 3}), split_sha256="0" * 64)
