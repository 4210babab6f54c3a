"""What is known of findings has one text, which is read back as it was written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.films.marks import learned, marks_of, text_of

MARKS = st.sampled_from(("present", "absent", "uncertain", "unknown"))


@given(st.fixed_dictionaries({"Effusion": MARKS, "Mass": MARKS, "Pleural thickening": MARKS}))
def test_what_is_written_is_read_back(marks) -> None:
    assert marks_of(text_of(marks), tuple(marks)) == marks


def test_the_text_names_what_is_present_and_what_is_not_known() -> None:
    assert text_of({"A": "present", "B": "absent", "C": "unknown", "D": "uncertain"}) == "A|C (unknown)|D (uncertain)"
    assert text_of({"A": "absent", "B": "absent"}) == "no finding"


def test_a_text_of_other_findings_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['B'\] are none of the findings A, C"):
        marks_of("A|B", ("A", "C"))


def test_unknown_is_not_learned_and_uncertain_is_learned_as_a_share() -> None:
    values = learned({"A": "present", "B": "absent", "C": "unknown", "D": "uncertain"}, ("D", "C", "B", "A"))

    assert values.dtype == np.float32
    assert values.tolist() == pytest.approx([0.7, np.nan, 0, 1], nan_ok=True)
