"""Rules of a figure with its interval."""

import pytest
from pydantic import ValidationError

from schemas.estimate import Estimate


def test_an_estimate_reads_as_the_reports_print_it() -> None:
    assert str(Estimate(value=0.9616, low=0.949, high=0.9731)) == "0.962 [0.949, 0.973]"


@pytest.mark.parametrize(("value", "low", "high"), [(0.5, 0.6, 0.7), (0.8, 0.6, 0.7), (0.65, 0.7, 0.6)])
def test_an_interval_that_does_not_enclose_its_value_is_refused(value, low, high) -> None:
    with pytest.raises(ValidationError, match="an interval encloses its value"):
        Estimate(value=value, low=low, high=high)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_estimate_is_finite(value) -> None:
    with pytest.raises(ValidationError):
        Estimate(value=value, low=0, high=1)


def test_an_estimate_cannot_be_changed() -> None:
    estimate = Estimate(value=0.5, low=0.4, high=0.6)

    with pytest.raises(ValidationError, match="frozen"):
        estimate.value = 0.6  # type: ignore[misc] # which is what the test is of


def test_an_estimate_is_printed_in_the_form_of_a_number() -> None:
    estimate = Estimate(value=0.5, low=0.25, high=0.75)

    assert f"{estimate:.1%}" == "50.0% [25.0%, 75.0%]"
    assert f"{estimate}" == str(estimate) == "0.500 [0.250, 0.750]"
