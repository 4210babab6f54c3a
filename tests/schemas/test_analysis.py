"""What is kept of an analysed film."""

import pytest
from pydantic import ValidationError

from tests.service.results.films import analysis, film, operating_point


def test_a_finding_without_its_operating_point_is_refused() -> None:
    record = analysis(film()).model_dump() | {"operating_points": [operating_point("COVID").model_dump()]}

    with pytest.raises(ValidationError, match="PNEUMONIA: one for each finding"):
        type(analysis(film())).model_validate(record)


def test_a_time_without_its_zone_is_refused() -> None:
    record = analysis(film()).model_dump() | {"analysed_at": "2026-11-21T08:00:05"}

    with pytest.raises(ValidationError, match="timezone"):
        type(analysis(film())).model_validate(record)
