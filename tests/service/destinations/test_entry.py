"""Rules by which a destination gets a film."""

import pytest

from service.destinations.destination import FinishedFilm
from service.destinations.entry import NotificationRules, Rules
from tests.service.dicomweb.films import film_dataset
from tests.service.results.films import analysis


def finished(**attributes) -> FinishedFilm:
    source = film_dataset(**({"StationName": "XR-1", "BodyPartExamined": "CHEST"} | attributes))
    return FinishedFilm(source, analysis(source), {})


@pytest.mark.parametrize(
    ("rules", "fits"),
    [
        ({}, True),
        ({"decisions": ["positive"]}, True),
        ({"decisions": ["negative", "abstain"]}, False),
        ({"stations": ["xr-1", "XR-9"]}, True),
        ({"stations": ["XR-9"]}, False),
        ({"body_parts": ["Chest"]}, True),
        ({"body_parts": ["HAND"]}, False),
        ({"institutions": ["North"]}, False),
        ({"stations": ["XR-1"], "body_parts": ["HAND"]}, False),
    ],
)
def test_a_film_fits_every_rule_that_is_stated(rules, fits) -> None:
    assert Rules.model_validate(rules).fit(finished()) == fits


def test_people_are_notified_of_positive_films_alone_unless_the_rules_have_it_otherwise() -> None:
    assert NotificationRules().decisions == ("positive",)
    assert NotificationRules.model_validate({"stations": ["XR-1"]}).decisions == ("positive",)


def test_a_film_without_a_station_fits_no_rule_of_stations() -> None:
    assert not Rules(stations=("XR-1",)).fit(finished(StationName=""))
