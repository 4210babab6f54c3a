"""Rules of the limits and records of acceptance reports."""

import pytest
from pydantic import ValidationError

from schemas.acceptance import Limit


def test_a_limit_bounds_its_figure_on_one_side_at_least() -> None:
    with pytest.raises(ValidationError, match="neither at_least nor at_most"):
        Limit()


def test_a_limit_that_no_figure_satisfies_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"at_least 0\.9 is above at_most 0\.8"):
        Limit(at_least=0.9, at_most=0.8)


def test_a_limit_is_printed_as_a_reader_says_it() -> None:
    assert str(Limit(at_least=0.9)) == "at least 90.0%"
    assert str(Limit(at_least=0.01, at_most=0.105)) == "at least 1.0% and at most 10.5%"
