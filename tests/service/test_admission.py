"""Rules of how many films are taken on."""

import pytest

from schemas.errors import NotReadyError, OverloadedError
from service.admission import Admission
from service.metrics import Metrics


def admission(capacity):
    return Admission(capacity, Metrics())


def test_films_beyond_the_capacity_are_refused_at_once_and_admitted_when_places_are_free():
    places = admission(3)
    with places.admit(2, "stat"):
        with (
            pytest.raises(OverloadedError, match="2 of 3 places for stat films are taken and 2 are needed"),
            places.admit(2, "stat"),
        ):
            pass
        with places.admit(1, "stat"):
            pass
    with places.admit(3, "stat"):
        pass


def test_places_are_free_again_after_a_failure():
    places = admission(1)
    with pytest.raises(ZeroDivisionError), places.admit(1, "stat"):
        1 / 0  # noqa: B018 the failure is the point
    with places.admit(1, "stat"):
        pass


def test_while_draining_no_request_begins_and_one_that_began_is_admitted():
    places = admission(1)
    places.check("stat")
    places.drain()

    with pytest.raises(NotReadyError, match="shutting down"):
        places.check("stat")
    with places.admit(1, "stat"):
        pass


def test_routine_films_leave_an_eighth_of_the_places_to_stat_films():
    places = admission(16)
    with places.admit(14, "routine"):
        with pytest.raises(OverloadedError, match="14 of 14 places for routine films"):
            places.check("routine")
        places.check("stat")
        with places.admit(2, "stat"), pytest.raises(OverloadedError, match="16 of 16 places for stat films"):
            places.check("stat")


def test_a_request_that_needs_no_place_begins_although_none_is_free():
    places = admission(1)
    with places.admit(1, "routine"):
        places.check(None)
    places.drain()
    with pytest.raises(NotReadyError):
        places.check(None)
