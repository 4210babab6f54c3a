"""Names of results are their content's."""

import uuid

import pytest

from service.results.uids import derived_uid, derived_uuid


def test_the_same_work_has_the_same_uid() -> None:
    assert derived_uid("1.2.3", "ab", "SR") == "2.25.36173595051167054145263795060056261379"


@pytest.mark.parametrize(
    "other", [("1.2.4", "ab", "SR"), ("1.2.3", "ac", "SR"), ("1.2.3", "ab", "PR"), ("1.2.3a", "b", "SR")]
)
def test_another_film_model_or_kind_has_another_uid(other) -> None:
    assert derived_uid(*other) != derived_uid("1.2.3", "ab", "SR")


@pytest.mark.clause("PS3.5 B.2", "UIDs are 2.25 and a UUID")
def test_uids_are_valid_and_of_a_valid_uuid() -> None:
    made = derived_uuid("1.2.3", "ab", "SR")

    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert derived_uid("1.2.3", "ab", "SR") == f"2.25.{made.int}"
    assert len(f"2.25.{(1 << 128) - 1}") <= 64
