"""Rules of the dates and times of results."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from service.results.objects import result_objects
from service.results.times import machine_offset, stated_offset
from tests.service.results.films import analysis, film, heat_map

BERLIN = ZoneInfo("Europe/Berlin")
DECEMBER = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def header(**attributes) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("study", "offset"),
    [
        ({"StudyDate": "20260701", "StudyTime": "101500"}, "+0200"),
        ({"StudyDate": "20261129", "StudyTime": "101500.25"}, "+0100"),
        ({"StudyDate": "20260701"}, "+0200"),
        ({"StudyDate": "20260701", "StudyTime": "10"}, "+0200"),
        ({"StudyDate": "18700101"}, "+0100"),
        ({"StudyDate": "20261399", "StudyTime": "101500"}, "+0100"),
        ({"StudyTime": "112233"}, "+0100"),
        ({"StudyDate": "20260701", "StudyTime": "noon"}, "+0100"),
        ({}, "+0100"),
    ],
)
def test_one_offset_holds_for_the_studys_times_and_those_of_the_result(study, offset) -> None:
    assert machine_offset(header(**study), DECEMBER, BERLIN) == offset


def test_without_a_zone_that_of_the_machine_counts(monkeypatch) -> None:
    assert len(machine_offset(header(StudyDate="20260701"), DECEMBER)) == 5
    assert len(machine_offset(header(), DECEMBER)) == 5


@pytest.mark.parametrize("value", ["+2", "0100", "+9900", "Z", ""])
def test_an_offset_that_is_none_is_not_passed_on(value) -> None:
    source = film(TimezoneOffsetFromUTC=value)

    made = result_objects(source, analysis(source), heat_map(source))

    assert stated_offset(source) == ""
    assert (made.sr.TimezoneOffsetFromUTC, made.sr.ContentTime) == ("+0000", "233005.123000")


def test_every_date_and_time_of_every_result_is_in_the_zone_that_it_states() -> None:
    source = film()
    record = analysis(source).model_copy(update={"utc_offset": "-0330"})

    made = result_objects(source, record, heat_map(source))

    assert made.presentation_state is not None
    for result in (made.sr, made.secondary_capture, made.presentation_state):
        assert result.TimezoneOffsetFromUTC == "-0330"
        dated = {element.keyword: str(element.value) for element in result if element.VR in ("DA", "TM")}
        for keyword, value in dated.items():
            if keyword.startswith(("Instance", "Content", "Presentation")) or "Secondary" in keyword:
                assert value == (
                    "20261121" if keyword.endswith(("Date", "Capture")) and "Time" not in keyword else "200005.123000"
                )
        for equipment in result.get("ContributingEquipmentSequence", ()):
            assert str(equipment.ContributionDateTime) == "20261121200005.123000-0330"
