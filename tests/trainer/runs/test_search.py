"""Rules of the search of settings, on a small network."""

from pathlib import Path

import numpy as np
import pytest

from trainer.config import SearchOptions, make_config
from trainer.films.task import LabelledFilms
from trainer.folder import RunFolder, TrialFolder
from trainer.learning.history import read_history
from trainer.learning.learner import FitPlan
from trainer.reporter import SilentReporter
from trainer.runs.run import train
from trainer.runs.search import draw, search, tried
from trainer.trials.record import read_trial

NAME = "cnn_baseline"


@pytest.fixture
def config(kermany_like, tmp_path):
    return make_config(
        {
            "data.path": str(kermany_like),
            "data.cache": str(tmp_path / "cache"),
            "networks.archs": [NAME],
            "networks.size": 32,
            "learn.epochs": 3,
            "learn.batch_size": 8,
            "data.val_fraction": 0.3,
            "learn.device": "cpu",
        }
    )


def films(seed: int, count: int = 24) -> LabelledFilms:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = (
        random.random((count, 1, 32, 32), np.float32) * 0.5 + labels[:, None, None, None].astype(np.float32) * 0.004
    )
    return LabelledFilms(pixels.astype(np.float32), labels, 2)


class Stopped(SilentReporter):
    """The user stops the run where an epoch begins."""

    def __init__(self, epoch: str, when=lambda: True) -> None:
        self.epoch = epoch
        self.when = when

    def stage(self, description):
        if self.epoch in description and self.when():
            raise KeyboardInterrupt
        return super().stage(description)


def run_search(config, spec, run: Path, *, count: int = 60, reporter=None):
    plan = FitPlan(NAME, 0, films(0, count), films(1, count))
    return search(plan, config.learn, spec, RunFolder(run), reporter or SilentReporter())


def test_what_is_tried_is_a_function_of_seed_architecture_and_number(config) -> None:
    spec = SearchOptions(method="random", trials=50, strategies=("full", "frozen"))
    drawn = [draw(config.learn, spec, NAME, index) for index in range(50)]

    assert drawn == [draw(config.learn, spec, NAME, index) for index in range(50)]
    assert drawn[0] == {"lr": 1e-3, "weight_decay": 0.02, "strategy": "full"}  # the run's own
    assert all(1e-4 <= settings["lr"] <= 1e-2 and 0.002 <= settings["weight_decay"] <= 0.2 for settings in drawn)
    assert {settings["strategy"] for settings in drawn} == {"full", "frozen"}
    assert min(settings["lr"] for settings in drawn) < 3e-4
    assert max(settings["lr"] for settings in drawn) > 3e-3
    assert draw(config.learn, spec.model_copy(update={"seed": 1}), NAME, 1) != drawn[1]
    assert draw(config.learn, spec, "cnn4", 1) != drawn[1]


def test_the_settings_with_the_best_validation_auroc_are_chosen(config, tmp_path) -> None:
    spec = SearchOptions(method="random", trials=4)
    best = run_search(config, spec, tmp_path)
    rows = tried(RunFolder(tmp_path))[NAME]
    highest = max(row["auroc"] for row in rows)

    assert len(rows) == 4
    assert {row["state"] for row in rows} == {"complete"}
    assert highest in [row["auroc"] for row in rows if row["lr"] == best["lr"]]


def test_a_search_that_has_ended_is_read_and_one_with_more_trials_goes_on(config, tmp_path) -> None:
    run_search(config, SearchOptions(method="random", trials=2), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("search/*/*")}
    run_search(config, SearchOptions(method="random", trials=3), tmp_path)

    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(tried(RunFolder(tmp_path))[NAME]) == 3


def test_a_search_that_was_stopped_goes_on_from_the_epochs_that_were_done(config, tmp_path) -> None:
    spec = SearchOptions(method="random", trials=1)
    with pytest.raises(KeyboardInterrupt):
        run_search(config, spec, tmp_path, count=24, reporter=Stopped("epoch 3"))
    (directory,) = [path for path in (tmp_path / "search").iterdir() if path.is_dir()]
    done = read_history(TrialFolder(directory))
    run_search(config, spec, tmp_path)

    assert len(done) == 2
    assert read_history(TrialFolder(directory))[:2] == done  # with the seconds that they took
    assert len(read_history(TrialFolder(directory))) == 3
    assert [row["state"] for row in tried(RunFolder(tmp_path))[NAME]] == ["complete"]


@pytest.mark.slow
def test_asha_ends_trials_early_that_are_behind(config, tmp_path) -> None:
    spec = SearchOptions(method="asha", trials=9, lr_factor=1000)
    run_search(config.changed({"learn.epochs": 9}), spec, tmp_path)
    lengths = sorted(len(read_history(TrialFolder(path))) for path in (tmp_path / "search").iterdir() if path.is_dir())
    states = [row["state"] for row in tried(RunFolder(tmp_path))[NAME]]

    assert lengths[0] < lengths[-1]
    assert states.count("pruned") >= 2
    assert "complete" in states


def test_a_run_trains_with_what_its_search_found_and_records_it(config, tmp_path) -> None:
    run = tmp_path / "run"
    searching = config.changed({"learn.epochs": 1, "search": {"method": "random", "trials": 3}})
    train(searching, RunFolder(run), command="python -m trainer sweep")
    record = read_trial(RunFolder(run).trial(f"{NAME}-seed0"))
    best = max(tried(RunFolder(run))[NAME], key=lambda row: row["auroc"])

    assert record.settings.keys() == {"lr", "weight_decay", "strategy"}
    assert best["auroc"] in [row["auroc"] for row in tried(RunFolder(run))[NAME] if row["lr"] == record.settings["lr"]]


def test_a_run_without_a_search_has_tried_nothing(tmp_path) -> None:
    assert tried(RunFolder(tmp_path)) == {}


def test_settings_that_cannot_be_trained_are_recorded_and_the_search_goes_on(config, tmp_path) -> None:
    spec = SearchOptions(method="random", trials=6, lr_factor=1e12)
    best = run_search(config, spec, tmp_path)
    states = [row["state"] for row in tried(RunFolder(tmp_path))[NAME]]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("search/*/*")}

    assert len(states) == 6
    assert {"fail", "complete"} == set(states)
    assert best["lr"] < 1e3
    assert run_search(config, spec, tmp_path) == best
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.long
def test_a_search_that_was_killed_prunes_as_one_that_was_not(config, tmp_path) -> None:
    def sixth() -> bool:
        return len(list((tmp_path / "b" / "search").iterdir())) == 6

    nine = config.changed({"learn.epochs": 9})
    spec = SearchOptions(method="asha", trials=9, lr_factor=1000)
    run_search(nine, spec, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run_search(nine, spec, tmp_path / "b", reporter=Stopped("epoch 2", sixth))
    run_search(nine, spec, tmp_path / "b")

    assert tried(RunFolder(tmp_path / "a")) == tried(RunFolder(tmp_path / "b"))
