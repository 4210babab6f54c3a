"""Rules of how many films are taken on."""

import pytest

from schemas.errors import NotReadyError, OverloadedError
from service.capacity.admission import Admission
from service.metrics import Metrics
from service.settings import LimitSettings


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def admission(capacity, *, capacity_bytes=1000, clock=None):
    limits = LimitSettings(
        max_queue=capacity, max_batch_items=1, max_inflight_bytes=capacity_bytes, max_body_bytes=capacity_bytes
    )
    return Admission(limits, Metrics(), clock or Clock())


def check(places, priority, **terms) -> None:
    places.check(priority, **{"allowed_s": 30.0} | terms)


def answer_films(places, clock, *, films, seconds_each) -> None:
    """One after another, while others are there."""
    for _ in range(films):
        with places.admit(1, "routine"):
            clock.now += seconds_each


def test_films_beyond_the_capacity_are_refused_at_once_and_admitted_when_places_are_free() -> None:
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


def test_places_are_free_again_after_a_failure() -> None:
    places = admission(1)
    with pytest.raises(ZeroDivisionError), places.admit(1, "stat"):
        1 / 0  # noqa: B018 the failure is the point
    with places.admit(1, "stat"):
        pass


def test_while_draining_no_request_begins_and_one_that_began_is_admitted() -> None:
    places = admission(1)
    check(places, "stat")
    places.drain()

    with pytest.raises(NotReadyError, match="shutting down"):
        check(places, "stat")
    with places.admit(1, "stat"):
        pass


def test_routine_films_leave_an_eighth_of_the_places_to_stat_films() -> None:
    places = admission(16)
    with places.admit(14, "routine"):
        with pytest.raises(OverloadedError, match="14 of 14 places for routine films"):
            check(places, "routine")
        check(places, "stat")
        with places.admit(2, "stat"), pytest.raises(OverloadedError, match="16 of 16 places for stat films"):
            check(places, "stat")


def test_stat_films_leave_an_eighth_of_the_places_to_routine_films() -> None:
    places = admission(16)
    with places.admit(14, "stat"):
        with pytest.raises(OverloadedError, match="14 of 14 places for stat films"):
            check(places, "stat")
        check(places, "routine")
        with places.admit(2, "routine"), pytest.raises(OverloadedError, match="16 of 16 places for routine films"):
            check(places, "routine")


def test_a_request_that_needs_no_place_begins_although_none_is_free_but_not_while_draining() -> None:
    places = admission(1)
    with places.admit(1, "routine"):
        places.require_open()
    places.drain()
    with pytest.raises(NotReadyError):
        places.require_open()


def test_a_body_that_has_no_room_is_refused_by_its_stated_length_and_where_it_states_none_as_it_arrives() -> None:
    places = admission(4, capacity_bytes=1000)
    places.take_bytes(600)
    check(places, "stat", body_bytes=400)
    with pytest.raises(OverloadedError, match="hold 600 of 1000 bytes and 401 more do not fit"):
        check(places, "stat", body_bytes=401)
    with pytest.raises(OverloadedError):
        places.take_bytes(401)

    places.give_back_bytes(600)
    check(places, "stat", body_bytes=1000)


def test_a_film_whose_turn_would_come_after_its_deadline_is_refused_with_the_time_until_there_is_one() -> None:
    clock = Clock()
    places = admission(64, clock=clock)
    with places.admit(9, "routine"):
        answer_films(places, clock, films=20, seconds_each=0.5)
        check(places, "routine", allowed_s=5.1)
        with pytest.raises(OverloadedError, match=r"9 films go before it, .* takes 5\.0 s, and 4\.0 s") as refused:
            check(places, "routine", allowed_s=4.0)

    assert refused.value.retry_after_s == 5


def test_a_stat_film_waits_for_stat_films_alone() -> None:
    clock = Clock()
    places = admission(64, clock=clock)
    with places.admit(9, "routine"), places.admit(1, "stat"):
        answer_films(places, clock, films=20, seconds_each=0.5)

        check(places, "stat", allowed_s=1.1)
        with pytest.raises(OverloadedError, match=r"1 films go before it, .* 1\.0 s, and 0\.9 s"):
            check(places, "stat", allowed_s=0.9)


def test_nobody_is_refused_for_a_pace_that_few_films_set_or_that_is_over() -> None:
    clock = Clock()
    places = admission(64, clock=clock)
    with places.admit(2, "routine"):
        answer_films(places, clock, films=7, seconds_each=20)
        check(places, "routine", allowed_s=0.1)
        answer_films(places, clock, films=1, seconds_each=20)
        with pytest.raises(OverloadedError):
            check(places, "routine", allowed_s=0.1)

    with places.admit(2, "routine"):
        check(places, "routine", allowed_s=0.1)
