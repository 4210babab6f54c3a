"""Each finding is calibrated from the films on which it is known, and keeps on new films what it promises."""

import numpy as np
import pytest
from scipy.optimize import minimize

from schemas.errors import TrainingConfigError, TrainingDataError
from schemas.model.decision import calibrated, presence
from trainer.films.task import Task
from trainer.judging.findings.calibration import calibrate_findings
from trainer.judging.findings.platt import fit_scaling, scaled
from trainer.judging.logits import LabelledLogits
from trainer.judging.options import JudgeOptions

TASK = Task(("Effusion", "Mass"), None, "sigmoid")
SLOPES = np.array([2.0, 0.5])
OFFSETS = np.array([-1.0, -2.0])


def films(count: int, *, seed: int = 0):
    """Logits that are sigmoid(slope * logit + offset) in truth, with a tenth of the labels unknown or uncertain."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 2))
    labels = (random.random((count, 2)) < 1 / (1 + np.exp(-(logits * SLOPES + OFFSETS)))).astype(np.float32)
    labels[random.random((count, 2)) < 0.1] = np.nan
    labels[random.random((count, 2)) < 0.05] = 0.7
    return logits.astype(np.float32), labels


def outputs(logits, labels, **more) -> LabelledLogits:
    patients = [str(number // 2) for number in range(len(labels))]
    return LabelledLogits("validation", "0" * 64, patients, labels, logits, **more)


def test_slope_and_offset_are_recovered_from_the_films_on_which_a_finding_is_known() -> None:
    calibration = calibrate_findings(outputs(*films(20_000)), TASK, JudgeOptions())

    assert calibration.scaling is not None
    for index, name in enumerate(TASK.classes):
        assert calibration.scaling[name].slope == pytest.approx(SLOPES[index], rel=0.08)
        assert calibration.scaling[name].offset == pytest.approx(OFFSETS[index], rel=0.08)


def test_the_scaling_is_the_most_likely_one() -> None:
    logits, labels = films(300)
    known = np.isin(labels[:, 0], (0, 1))
    values, present = logits[known, 0].astype(np.float64), labels[known, 0] == 1
    targets = np.where(present, (present.sum() + 1) / (present.sum() + 2), 1 / ((~present).sum() + 2))

    def loss(parameters):
        odds = parameters[0] * values + parameters[1]
        return float((np.logaddexp(0, odds) - targets * odds).mean())

    found = fit_scaling(logits[known, 0], present)
    reference = minimize(loss, [1, 0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})

    assert (found.slope, found.offset) == pytest.approx(tuple(reference.x), abs=1e-4)


def test_a_slope_never_turns_the_order_round_and_separated_films_have_a_finite_one() -> None:
    values = np.linspace(-3, 3, 40)

    assert fit_scaling(values, values < 0).slope == pytest.approx(0.05)
    assert fit_scaling(values, values > 0).slope < 20


def test_probabilities_are_those_of_the_service() -> None:
    logits, labels = films(200)
    calibration = calibrate_findings(outputs(logits, labels), TASK, JudgeOptions())

    assert calibration.scaling is not None
    own = np.stack([scaled(logits[:, k], calibration.scaling[name]) for k, name in enumerate(TASK.classes)], axis=1)

    assert np.array_equal(own, calibrated(logits, calibration, TASK.classes))


def test_operating_points_reach_their_sensitivity_where_the_finding_is_known() -> None:
    logits, labels = films(600)
    calibration = calibrate_findings(outputs(logits, labels), TASK, JudgeOptions(target_sensitivity=0.9))
    probabilities = calibrated(logits, calibration, TASK.classes)

    for index, point in enumerate(calibration.operating_points):
        called = probabilities[:, index] >= point.threshold
        assert point.finding == TASK.classes[index]
        assert point.sensitivity.value == called[labels[:, index] == 1].mean()
        assert point.specificity.value == (~called)[labels[:, index] == 0].mean()
        assert 0.9 <= point.sensitivity.value < 0.93


def test_presence_and_absence_are_missed_as_rarely_on_new_films_as_promised() -> None:
    calibration = calibrate_findings(outputs(*films(3000)), TASK, JudgeOptions(alpha=0.1))
    logits, labels = films(20_000, seed=1)
    probabilities = calibrated(logits, calibration, TASK.classes)
    assert calibration.conformal.absent is not None

    for index, name in enumerate(TASK.classes):
        probability = probabilities[:, index]
        kept = 1 - probability[labels[:, index] == 1] <= calibration.conformal.quantiles[name]
        assert kept.mean() == pytest.approx(0.9, abs=0.02)
        kept = probability[labels[:, index] == 0] <= calibration.conformal.absent[name]
        assert kept.mean() == pytest.approx(0.9, abs=0.02)
    assert presence("Effusion", 0.99, calibration.conformal) == "present"
    assert presence("Effusion", 0.01, calibration.conformal) == "absent"


def test_shifted_films_may_decide_and_the_rates_stay_those_of_the_films() -> None:
    logits, labels = films(400)
    shifted = outputs(logits, labels, shifted={"none": logits, "darker": logits - 1})

    calibration = calibrate_findings(shifted, TASK, JudgeOptions(), deciding=shifted.pooled())
    plain = calibrate_findings(shifted, TASK, JudgeOptions())

    assert calibration.scaling != plain.scaling
    point = calibration.operating_points[0]
    called = calibrated(logits, calibration, TASK.classes)[:, 0] >= point.threshold
    assert point.sensitivity.value == called[labels[:, 0] == 1].mean()


@pytest.mark.parametrize(("value", "message"), [(1, "no film without Mass"), (0, "no film of Mass")])
def test_a_finding_that_is_always_or_never_there_is_refused(value, message) -> None:
    logits, labels = films(60)
    labels[:, 1] = np.where(labels[:, 1] == 1 - value, np.nan, labels[:, 1])

    with pytest.raises(TrainingDataError, match=f"{message}; every finding needs validation films"):
        calibrate_findings(outputs(logits, labels), TASK, JudgeOptions())


def test_outputs_that_are_not_finite_are_refused() -> None:
    logits, labels = films(60)
    logits[3, 1] = np.inf

    with pytest.raises(TrainingConfigError, match="training diverged"):
        calibrate_findings(outputs(logits, labels), TASK, JudgeOptions())
