"""The mean balanced error over shifts equals a count by hand, and its interval comes from the same patients."""

import numpy as np
import pytest

from schemas.estimate import Estimate
from schemas.model.calibration import OperatingPoint
from trainer.judging.corruption import corruption_mean
from trainer.judging.subgroups import ScoredFilms

SURE = Estimate(value=0.9, low=0.8, high=1.0)
POINT = OperatingPoint(
    finding="ILL", threshold=0.5, target_sensitivity=0.9, sensitivity=SURE, specificity=SURE, data="validation"
)
TRUTH = np.array([0] * 20 + [1] * 20)


def scored(false_alarms: int, misses: int) -> ScoredFilms:
    """20 films of each class, the first of each called wrongly."""
    probability = np.where(TRUTH == 1, 0.9, 0.1)
    probability[:false_alarms] = 0.8
    probability[20 : 20 + misses] = 0.2
    rows = np.stack([1 - probability, probability], axis=1)
    return ScoredFilms(("WELL", "ILL"), TRUTH, rows, np.arange(40).astype(str))


def test_it_is_the_mean_over_the_shifts_of_the_mean_of_both_errors() -> None:
    films = {"none": scored(2, 1), "dark": scored(10, 0), "blurred": scored(4, 6)}
    found = corruption_mean(films, [POINT])

    assert found is not None
    assert found.shifts == 2
    assert found.clean.value == pytest.approx((0.1 + 0.05) / 2)
    assert found.shifted.value == pytest.approx(((0.5 + 0) / 2 + (0.2 + 0.3) / 2) / 2)
    assert found.shifted.low < found.shifted.value < found.shifted.high


def test_the_ratio_of_equal_errors_is_exactly_one_because_the_patients_are_the_same() -> None:
    films = {"none": scored(8, 8), "dark": scored(8, 8)}
    found = corruption_mean(films, [POINT])

    assert found is not None
    assert found.ratio is not None
    assert (found.ratio.low, found.ratio.high) == (pytest.approx(1), pytest.approx(1))


def test_without_errors_on_the_films_as_they_are_there_is_no_ratio() -> None:
    found = corruption_mean({"none": scored(0, 0), "dark": scored(8, 8)}, [POINT])

    assert found is not None
    assert found.clean.value == 0
    assert found.ratio is None


def test_without_shifts_there_is_no_figure() -> None:
    assert corruption_mean({}, [POINT]) is None
    assert corruption_mean({"none": scored(1, 1)}, [POINT]) is None
