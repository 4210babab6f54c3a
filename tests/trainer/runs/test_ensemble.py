"""Means of trials are made of those that the leaderboard has first."""

import shutil

import pytest

from schemas.estimate import Estimate
from tests.trainer.conftest import small_run
from trainer.config import read_config
from trainer.films.dataset import read_dataset
from trainer.folder import RunFolder
from trainer.reporter import SilentReporter
from trainer.runs.ensemble import make_ensembles
from trainer.trials.context import RunContext
from trainer.trials.record import read_trial


@pytest.fixture(scope="module")
def seeded_run(tmp_path_factory):
    """A finished run of two networks with two seeds each."""
    return small_run(
        tmp_path_factory.mktemp("seeded"),
        {"networks.archs": ["cnn_baseline", "cnn_attention"], "networks.seeds": [0, 1], "learn.epochs": 1},
    )


@pytest.mark.slow
def test_of_equal_networks_the_smaller_is_the_one_whose_seeds_are_averaged(seeded_run, tmp_path) -> None:
    run = shutil.copytree(seeded_run, tmp_path / "run")
    config = read_config(RunFolder(run))
    trials = {}
    for name in (
        f"{architecture}-seed{seed}" for architecture in config.networks.archs for seed in config.networks.seeds
    ):
        record = read_trial(RunFolder(run).trial(name))
        validation = record.validation.model_copy(update={"auroc": Estimate(value=0.9, low=0.9, high=0.9)})
        trials[name] = record.model_copy(update={"validation": validation})
    folder = RunFolder(run)
    context = RunContext(folder, config, read_dataset(folder, config.data), SilentReporter(), "train")
    larger_first = dict(sorted(trials.items(), key=lambda entry: -entry[1].provenance.parameters))

    made = make_ensembles(context, larger_first)

    smaller = min(trials.values(), key=lambda record: record.provenance.parameters).architecture
    assert made["mean-of-2-seeds"].members == (f"{smaller}-seed0", f"{smaller}-seed1")
    assert made["mean-of-2-architectures"].members[0] == f"{smaller}-seed0"
