"""Temperature, thresholds and quantiles keep on new films what they promise of validation films."""

from itertools import pairwise

import numpy as np
import pytest

from schemas.errors import TrainingConfigError, TrainingDataError
from schemas.model.decision import softmax
from trainer.films.task import Task
from trainer.judging.calibrate import calibrate, conformal_quantile, threshold_for
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions

CLASSES = ("NORMAL", "PNEUMONIA")
TASK = Task(CLASSES, "NORMAL")


def films(count: int, *, seed: int = 0, temperature: float = 1.0, classes: int = 2):
    """Labels and logits that are `temperature` times too sure."""
    random = np.random.default_rng(seed)
    calibrated = random.normal(0, 2, (count, classes))
    labels = (random.random((count, 1)) > softmax(calibrated).cumsum(axis=1)).sum(axis=1)
    return (calibrated * temperature).astype(np.float32), labels


def calibrated(logits, labels, *, task=TASK, deciding=None, **options):
    patients = [str(number % 300) for number in range(len(labels))]
    outputs = LabelledLogits("validation", "0" * 64, patients, labels, logits)
    return calibrate(outputs, task, JudgeOptions(**options), deciding=deciding)


@pytest.mark.parametrize("target", [0.5, 0.9, 0.96, 1.0])
@pytest.mark.parametrize("digits", [1, 2, 12])
def test_the_threshold_is_the_highest_that_reaches_the_target_ties_and_all(target, digits) -> None:
    random = np.random.default_rng(5)
    positive = random.random(300) < 0.4
    probability = np.round(random.beta(2 + 2 * positive, 3), digits)

    threshold = threshold_for(probability[positive], probability[~positive], target)
    feasible = [value for value in np.unique(probability) if (probability[positive] >= value).mean() >= target]

    assert threshold == pytest.approx(max(feasible), rel=1.1e-3)
    assert threshold < max(feasible)
    assert (probability >= threshold).sum() == (probability >= max(feasible)).sum()
    assert (probability[positive] >= threshold).mean() >= target


def test_rounding_error_in_the_target_does_not_cost_a_film() -> None:
    # 0.28 * 25 is 7.000000000000001: seven films reach the target, not eight.
    probability = np.append(1 - np.arange(25) / 100, 0.1)

    assert (probability[:25] >= threshold_for(probability[:25], probability[25:], 0.28)).sum() == 7


def test_the_threshold_keeps_clear_of_the_next_film_and_of_the_last() -> None:
    probability, other = np.array([0.8, 0.5, 0.2]), np.array([0.4999])

    assert threshold_for(probability, other, 2 / 3) == pytest.approx(0.49995)
    assert threshold_for(probability, other - 0.1, 2 / 3) == pytest.approx(0.5 * 0.999)


def test_other_films_may_decide_and_the_films_themselves_are_measured() -> None:
    logits, labels = films(500)
    others, truth = films(2000, seed=3, temperature=2.0)

    calibration = calibrated(logits, labels, deciding=(others, truth))
    alone = calibrated(others, truth)

    point = calibration.operating_points[0]
    expected = alone.operating_points[0]
    probability = softmax(logits, calibration.temperature)[:, 1]
    assert calibration.temperature == alone.temperature
    assert point.threshold == expected.threshold
    assert calibration.conformal == alone.conformal
    assert point.sensitivity.value == (probability[labels == 1] >= point.threshold).mean()
    assert point.specificity.value == (probability[labels == 0] < point.threshold).mean()


def test_the_decisions_of_validation_films_survive_float32() -> None:
    logits, labels = films(500)

    calibration = calibrated(logits, labels)
    exact = softmax(logits, calibration.temperature)
    rounded = softmax(logits * np.float32(1 + 3e-7), calibration.temperature).astype(np.float32)

    point = calibration.operating_points[0]
    assert np.array_equal(exact[:, 1] >= point.threshold, rounded[:, 1] >= point.threshold)
    for index, name in enumerate(CLASSES):
        quantile = calibration.conformal.quantiles[name]
        assert np.array_equal(1 - exact[:, index] <= quantile, 1 - rounded[:, index] <= quantile)


@pytest.mark.simulation
def test_conformal_sets_hold_the_class_of_new_films_as_often_as_they_promise() -> None:
    held = []
    for seed in range(300):
        probability = np.random.default_rng(seed).beta(4, 1, 120)
        quantile = conformal_quantile(probability[:60], alpha=0.1)
        held.extend(1 - probability[60:] <= quantile)

    assert 0.895 <= np.mean(held) <= 0.93


def test_the_conformal_quantile_counts_the_new_film_too() -> None:
    probability = 1 - np.arange(1, 20) / 100  # 19 films: rank ceil(20 * 0.9) = 18

    assert conformal_quantile(probability, alpha=0.1) == pytest.approx(0.18, abs=2e-5)


def test_too_few_films_exclude_no_class() -> None:
    assert conformal_quantile(np.array([0.9] * 8), alpha=0.1) == 1


def test_calibration_names_every_class_and_finding_and_its_films() -> None:
    calibration = calibrated(*films(500))

    assert [point.finding for point in calibration.operating_points] == ["PNEUMONIA"]
    assert calibration.operating_points[0].data == calibration.data == "validation: 500 films of 300 patients"
    assert set(calibration.conformal.quantiles) == set(CLASSES)
    assert calibration.out_of_distribution is None


def test_without_a_negative_class_every_class_is_a_finding() -> None:
    logits, labels = films(600, classes=3)

    calibration = calibrated(logits, labels, task=Task(("COVID", "TB", "flu"), None))

    assert [point.finding for point in calibration.operating_points] == ["COVID", "TB", "flu"]
    assert all(point.sensitivity.value >= 0.96 for point in calibration.operating_points)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_diverged_is_refused(value) -> None:
    _, labels = films(500)

    with pytest.raises(TrainingConfigError, match="not finite: its training diverged"):
        calibrated(np.full((500, 2), value, np.float32), labels)


def test_a_class_without_validation_films_is_named() -> None:
    logits, _ = films(10)

    with pytest.raises(TrainingDataError, match="no film of PNEUMONIA"):
        calibrated(logits, np.zeros(10, int))


def test_a_higher_target_never_raises_the_threshold() -> None:
    logits, labels = films(500)

    thresholds = [
        calibrated(logits, labels, target_sensitivity=target).operating_points[0].threshold
        for target in (0.8, 0.9, 0.95, 0.99)
    ]

    assert all(lower <= higher for higher, lower in pairwise(thresholds))
