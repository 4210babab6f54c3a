"""Every figure of a finding is that of the films on which it is known, and equals scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as reference

from biostatistics.delong import delong_interval
from biostatistics.intervals import wilson_interval
from schemas.errors import TrainingDataError
from schemas.model.calibration import Calibration, ConformalQuantiles, LogitScaling, OperatingPoint
from schemas.model.decision import calibrated
from schemas.model.evaluation import Evaluation
from trainer.films.task import Task
from trainer.judging.findings.evaluation import evaluate_findings
from trainer.judging.logits import LabelledLogits

TASK = Task(("Effusion", "Mass", "Edema"), None, "sigmoid")
THRESHOLDS = {"Effusion": 0.4, "Mass": 0.15, "Edema": 0.6}
ANY = wilson_interval(9, 10)
CALIBRATION = Calibration(
    temperature=1,
    scaling={name: LogitScaling(slope=1.5, offset=-0.5) for name in TASK.classes},
    operating_points=tuple(
        OperatingPoint(
            finding=name, threshold=value, target_sensitivity=0.9, sensitivity=ANY, specificity=ANY, data="validation"
        )
        for name, value in THRESHOLDS.items()
    ),
    conformal=ConformalQuantiles(
        alpha=0.1, quantiles=dict.fromkeys(TASK.classes, 0.5), absent=dict.fromkeys(TASK.classes, 0.5)
    ),
    out_of_distribution=None,
    data="validation",
)


def drawn(count: int = 300, seed: int = 0):
    random = np.random.default_rng(seed)
    labels = (random.random((count, 3)) < (0.4, 0.2, 0.1)).astype(np.float32)
    logits = (labels * 1.5 + random.normal(-0.5, 1, (count, 3))).astype(np.float32)
    labels[random.random((count, 3)) < 0.15] = np.nan
    labels[:5, 1] = 0.7
    return logits, labels


def evaluated(logits, labels, **more) -> Evaluation:
    patients = [str(number // 2) for number in range(len(labels))]
    given = LabelledLogits("test", "0" * 64, patients, labels, logits, **more)
    return evaluate_findings(given, TASK, CALIBRATION, resamples=200)


def test_figures_equal_those_of_the_films_on_which_a_finding_is_known() -> None:
    logits, labels = drawn()

    evaluation = evaluated(logits, labels)
    probabilities = calibrated(logits, CALIBRATION, TASK.classes)

    assert [row.finding for row in evaluation.findings] == [name for name in TASK.classes for _ in range(2)]
    for index, row in enumerate(evaluation.findings[1::2]):
        known = np.isin(labels[:, index], (0, 1))
        truth = labels[known, index] == 1
        probability = probabilities[known, index]
        called = probability >= row.threshold
        patients = np.arange(len(labels))[known] // 2
        assert row.threshold == THRESHOLDS[row.finding]
        assert (
            row.auroc == delong_interval(truth, probability, patients=patients) == evaluation.class_auroc[row.finding]
        )
        assert row.auroc.value == pytest.approx(reference.roc_auc_score(truth, probability))
        assert row.auprc.value == pytest.approx(reference.average_precision_score(truth, probability))
        assert row.sensitivity.value == reference.recall_score(truth, called)
        assert row.specificity.value == reference.recall_score(~truth, ~called)
        assert row.ppv is not None
        assert row.ppv.value == reference.precision_score(truth, called)
        assert row.prevalence == truth.mean()
        assert row.f1.value == pytest.approx(reference.f1_score(truth, called))
        assert row.brier is not None
        assert row.brier.value == pytest.approx(reference.brier_score_loss(truth, probability))
        assert row.ece is not None
        assert 0 <= row.ece.low <= row.ece.value <= row.ece.high < 0.5


def test_means_are_over_the_findings_and_there_is_no_single_label() -> None:
    logits, labels = drawn()

    evaluation = evaluated(logits, labels)

    rows = evaluation.findings[1::2]
    assert evaluation.auroc.value == pytest.approx(np.mean([row.auroc.value for row in rows]))
    assert evaluation.auroc.low < evaluation.auroc.value < evaluation.auroc.high
    assert evaluation.brier.value == pytest.approx(np.mean([row.brier.value for row in rows if row.brier]))
    assert evaluation.ece.value == pytest.approx(np.mean([row.ece.value for row in rows if row.ece]))
    assert evaluation.labels == ()
    assert evaluation.class_counts == {
        **{name: int((labels[:, k] == 1).sum()) for k, name in enumerate(TASK.classes)},
        "no finding": int((~(labels == 1).any(axis=1)).sum()),
    }


def test_the_interval_of_the_mean_area_is_narrower_than_those_of_rare_findings_and_holds_their_spread() -> None:
    evaluation = evaluated(*drawn(600))
    widths = {name: area.high - area.low for name, area in evaluation.class_auroc.items()}

    assert evaluation.auroc.high - evaluation.auroc.low < widths["Edema"]
    assert widths["Effusion"] < widths["Edema"]


def test_groups_and_shifts_have_figures_of_each_finding() -> None:
    logits, labels = drawn()
    attributes = [{"view": "AP" if number % 3 else "PA"} for number in range(len(labels))]

    evaluation = evaluated(logits, labels, attributes=attributes, shifted={"none": logits, "darker": logits - 1})

    groups = [(row.value, row.finding) for row in evaluation.subgroups]
    assert groups == [(view, name) for view in ("AP", "PA") for name in TASK.classes]
    first = evaluation.subgroups[0]
    members = np.array([one["view"] == "AP" for one in attributes]) & np.isin(labels[:, 0], (0, 1))
    assert first.films == members.sum()
    assert first.positives == (labels[members, 0] == 1).sum()
    plain, darker = (row for row in evaluation.shifts if row.finding == "Mass")
    operating = evaluation.findings[3]
    assert plain.sensitivity == operating.sensitivity
    assert darker.auroc == plain.auroc
    assert darker.sensitivity is not None
    assert darker.sensitivity.value < operating.sensitivity.value


def test_a_group_without_any_figure_has_no_rows() -> None:
    logits, labels = drawn()
    attributes = [{"view": "AP" if number > 15 else "PA"} for number in range(len(labels))]

    evaluation = evaluated(logits, labels, attributes=attributes)

    assert {row.value for row in evaluation.subgroups} == {"AP"}


@pytest.mark.parametrize(("value", "message"), [(0, "no film of Edema"), (1, "no film without Edema")])
def test_a_set_without_a_finding_or_full_of_it_is_refused(value, message) -> None:
    logits, labels = drawn(60)
    labels[:, 2] = value

    with pytest.raises(TrainingDataError, match=message):
        evaluated(logits, labels)


def test_an_evaluation_survives_json() -> None:
    evaluation = evaluated(*drawn())

    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_a_mean_area_of_one_has_an_interval_all_the_same() -> None:
    _, labels = drawn(80)

    evaluation = evaluated(np.nan_to_num(labels, nan=0.0) * 8 - 4, labels)

    assert evaluation.auroc.value == 1
    assert 0.8 < evaluation.auroc.low < 0.99
