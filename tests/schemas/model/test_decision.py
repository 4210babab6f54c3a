"""The rules that the trainer's figures and the service's answers share."""

import numpy as np
import pytest

from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, ConformalQuantiles, LogitScaling, OperatingPoint
from schemas.model.decision import NO_FINDING, answer, calibrated, conformal_set, finding_label, presence, softmax

CERTAIN = Estimate(value=1, low=1, high=1)
BY_THEMSELVES = ConformalQuantiles(
    alpha=0.1, quantiles={"Effusion": 0.6, "Mass": 0.6}, absent={"Effusion": 0.6, "Mass": 0.6}
)


def point(finding: str, threshold: float) -> OperatingPoint:
    return OperatingPoint(
        finding=finding,
        threshold=threshold,
        target_sensitivity=0.96,
        sensitivity=CERTAIN,
        specificity=CERTAIN,
        data="validation",
    )


def test_softmax_gives_the_published_values_and_sums_to_one() -> None:
    probabilities = softmax([[1.0, 2.0, 3.0]])

    assert probabilities == pytest.approx(np.array([[0.09003057, 0.24472847, 0.66524096]]), abs=1e-8)
    assert probabilities.sum() == pytest.approx(1)


def test_a_temperature_above_one_flattens_and_keeps_the_order() -> None:
    assert softmax([0.0, 2.0], 2.0) == pytest.approx(softmax([0.0, 1.0]))


def test_softmax_survives_logits_that_overflow_an_exponential() -> None:
    assert softmax(np.array([1000.0, -1000.0], dtype=np.float32)).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        softmax([0.0, 1.0], temperature)


def test_a_finding_is_called_from_its_threshold_on_though_another_class_is_more_probable() -> None:
    points = [point("PNEUMONIA", 0.31)]
    classes = ("NORMAL", "PNEUMONIA")

    assert finding_label([0.69, 0.31], classes, "NORMAL", points) == "PNEUMONIA"
    assert finding_label([0.70, 0.30], classes, "NORMAL", points) == "NORMAL"


def test_of_several_findings_the_one_furthest_above_its_own_threshold_is_called() -> None:
    classes = ("COVID", "NORMAL", "TB")
    points = [point("TB", 0.1), point("COVID", 0.4)]

    assert finding_label([0.5, 0.2, 0.3], classes, "NORMAL", points) == "TB"


def test_of_findings_equally_far_above_their_thresholds_the_earlier_is_called() -> None:
    points = [point("TB", 0.25), point("COVID", 0.25)]

    assert finding_label([0.5, 0.0, 0.5], ("COVID", "NORMAL", "TB"), "NORMAL", points) == "COVID"


def test_the_most_probable_class_is_called_where_no_class_means_none_of_the_others() -> None:
    assert finding_label([0.2, 0.5, 0.3], ("a", "b", "c"), None, []) == "b"


@pytest.mark.parametrize("probability", [0.0, 0.001])
def test_a_threshold_of_zero_is_always_reached(probability) -> None:
    assert finding_label([1 - probability, probability], ("NORMAL", "TB"), "NORMAL", [point("TB", 0.0)]) == "TB"


def test_probabilities_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="each of 2 classes"):
        finding_label([0.2, 0.3, 0.5], ("NORMAL", "TB"), "NORMAL", [])


def test_a_class_is_in_the_conformal_set_when_what_it_lacks_of_1_is_at_most_its_quantile() -> None:
    assert conformal_set({"NORMAL": 0.75, "PNEUMONIA": 0.25}, {"NORMAL": 0.25, "PNEUMONIA": 0.7}) == ("NORMAL",)
    assert conformal_set({"NORMAL": 0.75, "PNEUMONIA": 0.25}, {"NORMAL": 0.2, "PNEUMONIA": 0.75}) == ("PNEUMONIA",)
    assert conformal_set({"NORMAL": 0.5, "PNEUMONIA": 0.5}, {"NORMAL": 0.1, "PNEUMONIA": 0.1}) == ()


@pytest.mark.parametrize(
    ("prediction_set", "in_distribution", "expected"),
    [
        (("NORMAL",), True, "given"),
        (("NORMAL",), None, "given"),
        (("NORMAL",), False, "unfamiliar"),
        (("PNEUMONIA",), True, "unclear"),
        (("NORMAL", "PNEUMONIA"), None, "unclear"),
        ((), None, "unclear"),
        ((), False, "unfamiliar"),
    ],
)
def test_a_label_is_claimed_of_a_familiar_film_whose_conformal_set_is_the_label_alone(
    prediction_set, in_distribution, expected
) -> None:
    assert answer("NORMAL", prediction_set, in_distribution=in_distribution) == expected


def test_findings_that_are_judged_by_themselves_have_a_sigmoid_each() -> None:
    scaling = {"Effusion": LogitScaling(slope=2, offset=-1), "Mass": LogitScaling(slope=1, offset=0)}
    calibration = Calibration(
        temperature=1,
        scaling=scaling,
        operating_points=(point("Effusion", 0.5), point("Mass", 0.5)),
        conformal=BY_THEMSELVES,
        out_of_distribution=None,
        data="validation",
    )
    probabilities = calibrated([[0.5, 0.0], [1000.0, -1000.0]], calibration, ("Effusion", "Mass"))
    assert probabilities == pytest.approx(np.array([[0.5, 0.5], [1, 0]]))


def test_several_findings_are_called_and_the_label_is_the_one_furthest_above_its_threshold() -> None:
    points = (point("Effusion", 0.5), point("Mass", 0.1))
    label = finding_label([0.6, 0.3], ("Effusion", "Mass"), None, points, alone=True)
    assert label == "Mass"
    assert finding_label([0.4, 0.05], ("Effusion", "Mass"), None, points, alone=True) == NO_FINDING


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.9, "present"), (0.1, "absent"), (0.5, "unclear"), (0.39, "absent")]
)
def test_a_finding_is_clear_when_its_set_holds_either_it_or_its_absence(probability: float, expected: str) -> None:
    assert presence("Mass", probability, BY_THEMSELVES) == expected


def test_classes_that_exclude_one_another_have_no_quantile_of_absence() -> None:
    with pytest.raises(ValueError, match="absence of Mass"):
        presence("Mass", 0.5, ConformalQuantiles(alpha=0.1, quantiles={"Mass": 0.1}))
