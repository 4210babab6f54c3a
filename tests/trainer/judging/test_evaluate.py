"""An evaluation holds scikit-learn's figures, for both rules, with intervals that enclose them."""

import time

import numpy as np
import pytest
from sklearn import metrics as reference

from schemas.errors import TrainingDataError
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint
from schemas.model.decision import softmax
from schemas.model.evaluation import Evaluation
from trainer.films.task import Task
from trainer.judging.evaluate import evaluate
from trainer.judging.logits import LabelledLogits

UNKNOWN = Estimate(value=0.5, low=0, high=1)
TWO = ("NORMAL", "PNEUMONIA")
THREE = ("COVID", "NORMAL", "TB")


def calibration(classes, thresholds, *, temperature=1.5):
    return Calibration(
        temperature=temperature,
        operating_points=tuple(
            OperatingPoint(
                finding=finding,
                threshold=threshold,
                target_sensitivity=0.96,
                sensitivity=UNKNOWN,
                specificity=UNKNOWN,
                data="validation",
            )
            for finding, threshold in thresholds.items()
        ),
        conformal=ConformalQuantiles(alpha=0.1, quantiles=dict.fromkeys(classes, 0.9)),
        out_of_distribution=None,
        data="validation",
    )


def drawn(count, classes, *, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    logits = (random.normal(0, 1.5, (count, classes)) + 2 * np.eye(classes)[labels]).astype(np.float32)
    return logits, labels, [f"p{number // (2 * classes)}-{number % classes}" for number in range(count)]


def outputs(logits, labels, patients, **more) -> LabelledLogits:
    return LabelledLogits("test", "0" * 64, patients, labels, logits, **more)


def evaluated(classes=TWO, thresholds=None, *, negative_class="NORMAL", count=300) -> Evaluation:
    thresholds = thresholds or {"PNEUMONIA": 0.3}
    task = Task(classes, negative_class)
    return evaluate(outputs(*drawn(count, len(classes))), task, calibration(classes, thresholds))


def test_an_evaluation_says_on_what_it_was_measured() -> None:
    evaluation = evaluated()

    assert (evaluation.data, evaluation.data_sha256) == ("test", "0" * 64)
    assert (evaluation.films, evaluation.patients) == (300, 150)
    assert evaluation.class_counts == {"NORMAL": 150, "PNEUMONIA": 150}


def test_figures_of_two_classes_equal_scikit_learns() -> None:
    logits, labels, _ = drawn(300, 2)
    probability = softmax(logits, 1.5)[:, 1]

    evaluation = evaluated()
    default, operating = evaluation.findings

    assert evaluation.auroc.value == pytest.approx(reference.roc_auc_score(labels, probability))
    assert evaluation.brier.value == pytest.approx(reference.brier_score_loss(labels, probability))
    assert (default.threshold, operating.threshold) == (0.5, 0.3)
    for row in evaluation.findings:
        called = probability >= row.threshold
        assert row.finding == "PNEUMONIA"
        assert row.auroc == evaluation.auroc
        assert row.auprc.value == pytest.approx(reference.average_precision_score(labels, probability))
        assert row.sensitivity.value == pytest.approx(reference.recall_score(labels, called))
        assert row.specificity.value == pytest.approx(reference.recall_score(labels, called, pos_label=0))
        assert row.ppv.value == pytest.approx(reference.precision_score(labels, called))
        assert row.npv.value == pytest.approx(reference.precision_score(labels, called, pos_label=0))
        assert row.f1.value == pytest.approx(reference.f1_score(labels, called))
        assert row.f1.low < row.f1.value < row.f1.high
        assert row.prevalence == 0.5


def test_each_rule_of_labelling_has_its_own_figures() -> None:
    logits, labels, _ = drawn(300, 2)
    probability = softmax(logits, 1.5)[:, 1]

    rows = {row.rule: row for row in evaluated().labels}

    assert set(rows) == {"argmax", "operating point"}
    for rule, given in (("argmax", probability > 0.5), ("operating point", probability >= 0.3)):
        row = rows[rule]
        assert np.array_equal(row.confusion, reference.confusion_matrix(labels, given))
        assert row.accuracy.value == pytest.approx(reference.accuracy_score(labels, given))
        assert row.balanced_accuracy.value == pytest.approx(reference.balanced_accuracy_score(labels, given))
        assert row.macro_f1.value == pytest.approx(reference.f1_score(labels, given, average="macro"))
        assert list(row.class_f1) == list(TWO)
        assert [each.value for each in row.class_f1.values()] == pytest.approx(
            reference.f1_score(labels, given, average=None)
        )
        assert row.mcc.value == pytest.approx(reference.matthews_corrcoef(labels, given))
        assert row.mcc.low < row.mcc.value < row.mcc.high
    assert rows["argmax"].confusion != rows["operating point"].confusion


def test_the_operating_point_rule_is_the_one_that_the_finding_rows_describe() -> None:
    evaluation = evaluated()
    counts = evaluation.labels[1].confusion

    assert evaluation.findings[1].sensitivity.value == counts[1][1] / sum(counts[1])


def test_three_classes_average_the_areas_and_label_by_the_largest_ratio() -> None:
    logits, labels, _ = drawn(300, 3)
    probabilities = softmax(logits, 1.5)
    ratios = probabilities / [0.2, np.inf, 0.5]
    given = np.where((ratios >= 1).any(axis=1), ratios.argmax(axis=1), 1)

    evaluation = evaluated(THREE, {"TB": 0.5, "COVID": 0.2})

    assert evaluation.auroc.value == pytest.approx(reference.roc_auc_score(labels, probabilities, multi_class="ovr"))
    assert list(evaluation.class_auroc) == list(THREE)
    for index, name in enumerate(THREE):
        expected = reference.roc_auc_score(labels == index, probabilities[:, index])
        assert evaluation.class_auroc[name].value == pytest.approx(expected)
    assert np.array_equal(evaluation.labels[1].confusion, reference.confusion_matrix(labels, given))
    assert [(row.finding, row.threshold) for row in evaluation.findings] == [
        ("TB", 0.5),
        ("TB", 0.5),
        ("COVID", 0.5),
        ("COVID", 0.2),
    ]


def test_without_a_negative_class_both_rules_give_the_most_probable_class() -> None:
    evaluation = evaluated(THREE, dict.fromkeys(THREE, 0.2), negative_class=None)

    assert evaluation.labels[0].confusion == evaluation.labels[1].confusion
    assert [row.finding for row in evaluation.findings] == ["COVID", "COVID", "NORMAL", "NORMAL", "TB", "TB"]


def test_films_of_the_same_patient_do_not_narrow_the_intervals() -> None:
    logits, labels, patients = drawn(300, 2)
    thrice = np.repeat(np.arange(300), 3)
    arguments = (Task(TWO, "NORMAL"), calibration(TWO, {"PNEUMONIA": 0.3}))

    by_patient, by_film = (
        evaluate(outputs(logits[thrice], labels[thrice], who), *arguments)
        for who in ([patients[film] for film in thrice], [str(number) for number in range(900)])
    )

    for figure in ("auroc", "brier"):
        wide = getattr(by_patient, figure)
        narrow = getattr(by_film, figure)
        assert wide.high - wide.low > 1.4 * (narrow.high - narrow.low) > 0


@pytest.mark.parametrize(("threshold", "undefined"), [(0.0, "npv"), (1.0, "ppv")])
def test_a_predictive_value_of_no_film_is_null(threshold, undefined) -> None:
    row = evaluated(thresholds={"PNEUMONIA": threshold}).findings[1]

    assert getattr(row, undefined) is None
    assert (row.ppv is None) != (row.npv is None)


def test_a_set_without_a_class_is_refused() -> None:
    logits, _, patients = drawn(10, 2)

    with pytest.raises(TrainingDataError, match="test: no film of NORMAL"):
        evaluate(outputs(logits, np.ones(10, int), patients), Task(TWO, "NORMAL"), calibration(TWO, {"PNEUMONIA": 0.3}))


def test_the_calibration_error_is_that_of_the_most_probable_class() -> None:
    logits, labels, patients = drawn(3000, 2)
    sure = evaluate(
        outputs(logits, labels, patients),
        Task(TWO, "NORMAL"),
        calibration(TWO, {"PNEUMONIA": 0.3}, temperature=0.2),
    )

    assert sure.ece.low > 0.05
    assert evaluated(count=3000).ece.value < 0.07


def test_groups_that_the_films_tell_apart_have_figures_at_the_operating_point() -> None:
    logits, labels, patients = drawn(300, 2)
    sexes = [{"sex": "FM"[number % 4 // 2]} for number in range(300)]

    evaluation = evaluate(
        outputs(logits, labels, patients, attributes=sexes),
        Task(TWO, "NORMAL"),
        calibration(TWO, {"PNEUMONIA": 0.3}),
    )

    assert [(row.value, row.films) for row in evaluation.subgroups] == [("F", 150), ("M", 150)]
    found = sum(row.sensitivity.value * row.positives for row in evaluation.subgroups)
    assert found == pytest.approx(evaluation.findings[1].sensitivity.value * 150)
    assert evaluated().subgroups == ()


def test_the_official_number_of_films_takes_less_than_three_seconds() -> None:
    start = time.process_time()
    evaluated(count=624)

    assert time.process_time() - start < 3


def test_an_evaluation_survives_json() -> None:
    evaluation = evaluated()

    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation
