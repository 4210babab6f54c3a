"""Ages counted from dates."""

import pytest

from imaging.dicom.header.ages import age_between


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [
        ("20200615", "20260615", 6),
        ("20200615", "20260614", 5.99),
        ("20080229", "20260301", 18),
        ("20080229", "20260228", 17.99),
        ("20260601", "20260601", 0),
        ("20260501", "20260601", 0.085),
        ("19590101", "20260102", 67),
        ("1959.01.01", "20260102", 67),
        ("18960601", "20260601", 130),
    ],
)
def test_a_patient_is_whole_years_old_on_a_birthday(birth, study, years) -> None:
    age = age_between(birth, study)

    assert age == pytest.approx(years, abs=0.01)
    assert int(age) == int(years)


@pytest.mark.parametrize(
    ("birth", "study"),
    [
        *(("", "20260101"), ("19590101", ""), ("20270101", "20260101"), ("18000101", "20260101")),
        *(("1959", "20260101"), ("19591301", "20260101"), ("?", "?")),
    ],
)
def test_what_is_no_date_or_no_age_of_a_living_person_states_none(birth, study) -> None:
    assert age_between(birth, study) is None
