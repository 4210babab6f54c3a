"""Rules of statuses that no association brings about by itself."""

import pytest

from schemas.errors import PacsUnreachableError
from service.dimse.statuses import judge, status_of_answer


def test_a_result_without_an_answer_is_tried_again() -> None:
    with pytest.raises(PacsUnreachableError, match=r"\(SR no answer\)"):
        judge([("SR", None), ("OT", 0)])


@pytest.mark.parametrize(
    "body", [None, [], {"00081199": 1}, {"00081198": {"Value": [{}]}}, {"0008119A": {"Value": []}}]
)
def test_an_answer_that_names_no_film_is_no_success(body) -> None:
    assert status_of_answer(200, body) == (0 if body == {"00081199": 1} else 0xA700)
