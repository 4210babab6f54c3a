"""Rules of the trainer from Python: the same runs as on the command line, and an import that costs nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import TrainingConfigError, TrainingDataError
from tests.trainer.conftest import SMALL
from trainer import load_run, train
from trainer.reporter import SilentReporter

ROOT = Path(__file__).parents[2]


class Lines(SilentReporter):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.slow
def test_a_run_is_trained_judged_and_reported_by_one_call(kermany_like, tmp_path) -> None:
    options = {**SMALL, "learn.epochs": 1, "data.cache": str(tmp_path / "cache"), "report.explain": 0}
    reporter = Lines()

    run = train(kermany_like, tmp_path / "run", archs="cnn_baseline", options=options, reporter=reporter)

    assert [trial.name for trial in run.trials] == ["cnn_baseline-seed0"]
    assert run.winner.record.test is not None
    assert (run.config.learn.epochs, run.config.networks.size, run.config.data.val_fraction) == (1, 32, 0.3)
    assert run.config.data.cache == str(tmp_path / "cache")
    assert reporter.lines[-1] == f"report: {tmp_path / 'run' / 'report.html'}"
    assert run.winner.record.provenance.command.startswith(f"trainer.train({str(kermany_like)!r}, ")
    assert load_run(tmp_path / "run") == run


def test_a_run_is_read_with_its_trials_their_answers_and_their_networks(two_networks_run) -> None:
    run = load_run(str(two_networks_run))
    best, *_ = run.trials
    answers = best.predictions("test")

    assert run.data.classes == ("NORMAL", "PNEUMONIA")
    assert {trial.name for trial in run.trials} == {
        *("cnn_baseline-seed0", "cnn_attention-seed0", "mean-of-2-architectures")
    }
    assert len(answers) == best.record.test.films
    assert np.mean([answer.label == answer.truth for answer in answers]) == pytest.approx(
        next(metrics for metrics in best.record.test.labels if metrics.rule == "operating point").accuracy.value
    )
    assert all(sum(answer.probabilities.values()) == pytest.approx(1, abs=2e-6) for answer in answers)
    assert {answer.decision for answer in answers} <= {"positive", "negative", "abstain"}
    assert all(answer.spread is not None for answer in answers)
    assert len(run.winner.history) == run.winner.record.epochs
    assert run.winner.load().record == run.winner.record


def test_what_is_not_there_is_named(two_networks_run, tmp_path) -> None:
    with pytest.raises(TrainingDataError, match=r"has no trial 'cnn4-seed0'; it has .*cnn_baseline-seed0"):
        load_run(two_networks_run).trial("cnn4-seed0")
    with pytest.raises(TrainingConfigError, match=r"config\.yaml cannot be read"):
        load_run(tmp_path)
    with pytest.raises(TrainingConfigError, match="no architecture is called 'resnet5000'"):
        train("films", tmp_path, archs=["resnet5000"])
    with pytest.raises(TrainingConfigError, match=r"learn\.epoch: Extra inputs"):
        train("films", tmp_path, archs="cnn4", options={"learn.epoch": 3})


@pytest.mark.process
def test_the_package_is_imported_without_torch() -> None:
    code = "import sys, trainer; print(sorted({'torch', 'timm', 'numpy'} & set(sys.modules)), trainer.__all__)"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert printed == "[] ['Run', 'Trial', 'load_run', 'train']\n"
