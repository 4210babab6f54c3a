"""The winner is the trial with the highest validation AUROC; of equals, the smaller network."""

from datetime import UTC, datetime

import numpy as np
import pytest

from biostatistics.metrics import macro_auroc
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint
from schemas.model.decision import softmax
from schemas.model.evaluation import Evaluation
from schemas.model.provenance import Provenance
from schemas.model.trial import TrialRecord
from schemas.preprocess import PreprocessSpec
from trainer.folder import RunFolder
from trainer.judging.outputs import SavedOutputs
from trainer.runs.leaderboard import rank, read_leaderboard, write_leaderboard

OUTPUTS = SavedOutputs(
    films=np.array(["a", "b", "c", "d"]),
    patients=np.array(["1", "2", "3", "4"]),
    labels=np.array([0, 1, 0, 1]),
    logits=np.array([[1, 0], [0, 1], [0, 2], [0, 1]], np.float32),
)


def _estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value)


def _trial(auroc: float, parameters: int) -> TrialRecord:
    point = OperatingPoint(
        finding="PNEUMONIA",
        threshold=0.5,
        target_sensitivity=0.96,
        sensitivity=_estimate(1),
        specificity=_estimate(1),
        data="validation",
    )
    calibration = Calibration(
        temperature=1,
        operating_points=(point,),
        conformal=ConformalQuantiles(alpha=0.1, quantiles={"NORMAL": 1, "PNEUMONIA": 1}),
        out_of_distribution=None,
        data="validation",
    )
    validation = Evaluation(
        data="validation",
        data_sha256="0" * 64,
        films=2,
        patients=2,
        class_counts={"NORMAL": 1, "PNEUMONIA": 1},
        auroc=_estimate(auroc),
        class_auroc={},
        brier=_estimate(0),
        ece=_estimate(0),
        labels=(),
        findings=(),
    )
    provenance = Provenance(
        command="train",
        git_commit="unknown",
        trained_at=datetime(2026, 1, 1, tzinfo=UTC),
        training_seconds=60,
        seed=3,
        data="films",
        data_sha256="0" * 64,
        split_sha256="0" * 64,
        pretrained_weights="none",
        parameters=parameters,
        device="cpu",
        libraries={},
    )
    return TrialRecord(
        architecture="cnn4",
        classes=("NORMAL", "PNEUMONIA"),
        negative_class="NORMAL",
        preprocess=PreprocessSpec(size=32),
        epochs=1,
        best_epoch=0,
        calibration=calibration,
        validation=validation,
        test=None,
        provenance=provenance,
    )


def test_the_best_on_validation_comes_first_and_of_equals_the_smaller(tmp_path) -> None:
    trials = {"a": _trial(0.9, 10), "b": _trial(0.95, 30), "c": _trial(0.95, 20)}
    mean = _trial(0.99, 60).model_copy(update={"architecture": "mean", "members": ("b", "c")})
    board = rank(trials | {"mean": mean}, dict.fromkeys([*trials, "mean"], OUTPUTS))
    write_leaderboard(board, RunFolder(tmp_path))

    assert [row.trial for row in board.rows] == ["c", "b", "a", "mean"]
    assert board.winner.trial == "c"
    assert (board.winner.seed, board.winner.training_seconds) == (3, 60)
    assert read_leaderboard(RunFolder(tmp_path)) == board
    assert len(board.architectures) == 1  # an ensemble is none
    summary = board.architectures[0]
    assert (summary.architecture, summary.trials) == ("cnn4", 3)
    assert (summary.mean, summary.sd) == (pytest.approx(0.93333, abs=1e-4), pytest.approx(0.028868, abs=1e-5))


def test_more_than_two_classes_are_compared_by_the_probabilities_that_were_ranked() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    films = np.array([f"{number:02d}" for number in range(60)])
    temperatures = {"first": 0.2, "second": 8.0}
    outputs = {}
    probabilities = {}
    trials = {}
    for name, temperature in temperatures.items():
        logits = (random.normal(0, 2, (60, 3)) + 2 * np.eye(3)[labels]).astype(np.float32)
        outputs[name] = SavedOutputs(films, films, labels, logits)
        probabilities[name] = softmax(logits, temperature)
        record = _trial(0.95 if name == "first" else 0.9, 10)
        calibration = record.calibration.model_copy(update={"temperature": temperature})
        trials[name] = record.model_copy(update={"calibration": calibration})

    against = rank(trials, outputs).rows[1].against_winner

    first, second = (macro_auroc(labels, probabilities[name], np.ones((1, 60)))[0] for name in temperatures)
    assert against.difference.value == pytest.approx(first - second, abs=1e-9)
