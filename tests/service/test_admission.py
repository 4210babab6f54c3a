"""Rules of how many films are taken on."""

import pytest

from schemas.errors import NotReadyError, OverloadedError
from service.admission import Admission
from service.metrics import Metrics


def admission(capacity):
    return Admission(capacity, Metrics())


def test_films_beyond_the_capacity_are_refused_at_once_and_admitted_when_places_are_free():
    places = admission(3)
    with places.admit(2):
        with pytest.raises(OverloadedError, match="2 of 3 places are taken and 2 are needed"), places.admit(2):
            pass
        with places.admit(1):
            pass
    with places.admit(3):
        pass


def test_places_are_free_again_after_a_failure():
    places = admission(1)
    with pytest.raises(ZeroDivisionError), places.admit(1):
        1 / 0  # noqa: B018 the failure is the point
    with places.admit(1):
        pass


def test_while_draining_no_request_begins_and_one_that_began_is_admitted():
    places = admission(1)
    places.check()
    places.drain()

    with pytest.raises(NotReadyError, match="shutting down"):
        places.check()
    with places.admit(1):
        pass
