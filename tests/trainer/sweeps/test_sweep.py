"""A sweep whose trials are run elsewhere ends as a run that trained them itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from schemas.errors import TrainingConfigError
from tests.trainer.sweeps.conftest import board_of
from trainer.config import make_config
from trainer.folder import RunFolder
from trainer.reporter import EpochSummary, SilentReporter
from trainer.runs.run import train
from trainer.sweeps.run_trial import run_trial
from trainer.sweeps.storage import open_storage
from trainer.sweeps.sweep import Sweep, sweep
from trainer.sweeps.sweep_trial import Share, SweepTrial
from trainer.trials.failure import write_failure
from trainer.trials.record import read_trial


@dataclass
class Elsewhere:
    """An executor whose machines have folders of their own, and the storage in common."""

    folder: RunFolder | None = None
    at_most: int = 99
    ran: list[str] = field(default_factory=list)

    def run(self, trials: Sequence[SweepTrial], look: Callable[[], None], say: Callable[[str], None]) -> None:
        for trial in trials[: self.at_most]:
            folder = self.folder or RunFolder(Path(trial.run))
            run_trial(folder, trial.name, open_storage(trial.storage), SilentReporter(), command="trial")
            self.ran.append(trial.name)
            look()


class Watching(SilentReporter):
    def __init__(self) -> None:
        self.events: list[str] = []

    def trial_started(self, trial: str, epochs: int) -> None:
        self.events.append(f"{trial} of {epochs}")

    def epoch_ended(self, trial: str, epoch: EpochSummary) -> None:
        self.events.append(f"{trial} {epoch.epoch}")

    def trial_ended(self, trial: str, validation_auroc: float) -> None:
        self.events.append(f"{trial} done")

    def trial_failed(self, trial: str) -> None:
        self.events.append(f"{trial} failed")


def options(films, tmp_path, **others):
    return make_config(
        {
            "data.path": str(films),
            "data.cache": str(tmp_path / "cache"),
            "data.folds": 2,
            "networks.archs": ["cnn_baseline"],
            "networks.size": 32,
            "learn.epochs": 2,
            "learn.batch_size": 8,
            "learn.device": "cpu",
            **others,
        }
    )


def sweeping(config, folder: RunFolder, url: str | None = None) -> Sweep:
    return Sweep(config, folder, open_storage(url), url, Share(), "python -m trainer sweep")


@pytest.mark.scale("21.2 sweeps", "trials on machines with a store in common give the leaderboard of one machine")
def test_trials_on_other_machines_give_the_leaderboard_of_one(kermany_like, tmp_path) -> None:
    config = options(kermany_like, tmp_path)
    alone, spread = RunFolder(tmp_path / "alone"), RunFolder(tmp_path / "spread")
    elsewhere = Elsewhere(RunFolder(tmp_path / "node"))
    watching = Watching()

    train(config, alone, command="python -m trainer sweep")
    sweep(sweeping(config, spread, f"file://{tmp_path}/store"), elsewhere, watching)

    assert elsewhere.ran == ["cnn_baseline-seed0-fold0", "cnn_baseline-seed0-fold1"]
    assert board_of(spread.path) == board_of(alone.path)
    name = elsewhere.ran[0]
    assert watching.events[:4] == [f"{name} of 2", f"{name} 0", f"{name} 1", f"{name} done"]
    assert spread.trial(name).best_weights.read_bytes() == alone.trial(name).best_weights.read_bytes()


@pytest.mark.scale("21.2 sweeps", "a sweep that was stopped goes on with the trials that are left")
def test_a_sweep_with_trials_left_goes_on_with_those_alone(kermany_like, tmp_path) -> None:
    config = options(kermany_like, tmp_path)
    folder = RunFolder(tmp_path / "run")
    first, second = Elsewhere(at_most=1), Elsewhere()

    assert sweep(sweeping(config, folder), first, SilentReporter()) is None
    assert not folder.leaderboard.exists()
    trained_at = read_trial(folder.trial(first.ran[0])).provenance.trained_at
    board = sweep(sweeping(config, folder), second, SilentReporter())

    assert board is not None
    assert (first.ran, second.ran) == (["cnn_baseline-seed0-fold0"], ["cnn_baseline-seed0-fold1"])
    assert read_trial(folder.trial(first.ran[0])).provenance.trained_at == trained_at


@pytest.mark.slow
def test_a_trial_that_failed_is_left_out_until_it_is_asked_for(kermany_like, tmp_path) -> None:
    config = options(kermany_like, tmp_path)
    folder, url = RunFolder(tmp_path / "run"), f"file://{tmp_path}/store"
    none = Elsewhere(RunFolder(tmp_path / "node"), at_most=0)
    sweep(sweeping(config, folder, url), none, SilentReporter())
    lost = RunFolder(tmp_path / "lost").trial("cnn_baseline-seed0-fold0")
    write_failure(lost, RuntimeError("out of memory"))
    open_storage(url).send_trial(lost)
    one, both = (Elsewhere(RunFolder(tmp_path / "node"), at_most=0) for _ in range(2))

    assert sweep(sweeping(config, folder, url), one, SilentReporter()) is None
    assert folder.trial(lost.name).failure.exists(), "it is known here"
    assert sweep(sweeping(config, folder, url), both, SilentReporter(), retry_failed=True) is None
    assert open_storage(url).read(folder, folder.trial(lost.name).failure) is None


def test_a_search_is_refused(kermany_like, tmp_path) -> None:
    config = options(kermany_like, tmp_path, **{"data.folds": None, "search.method": "random"})

    with pytest.raises(TrainingConfigError, match=r"search\.method=random with --on"):
        sweep(sweeping(config, RunFolder(tmp_path / "run")), Elsewhere(), SilentReporter())


def test_a_trial_that_the_run_does_not_have_is_named(kermany_like, tmp_path) -> None:
    folder = RunFolder(tmp_path / "run")
    sweep(sweeping(options(kermany_like, tmp_path), folder), Elsewhere(at_most=0), SilentReporter())

    with pytest.raises(TrainingConfigError, match="has no trial 'cnn4-seed7'; it has cnn_baseline-seed0-fold0"):
        run_trial(folder, "cnn4-seed7", open_storage(None), SilentReporter(), command="trial")
