"""Rules of the quota, on a clock that the test winds."""

import pytest

from schemas.errors import QuotaError
from service.security.callers import Caller
from service.security.quota import Quota

RIS = Caller("key:1", frozenset({"predict"}))
PACS = Caller("key:2", frozenset({"predict"}), films_per_minute=120)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self):
        return self.now


def let_in(quota, caller):
    """How many single films are let in now."""
    for films in range(1000):
        try:
            quota.check(caller)
        except QuotaError:
            return films
        quota.take(caller, 1)
    pytest.fail("no end")


def test_a_minutes_worth_is_let_in_at_once_and_then_one_for_each_share_of_the_minute() -> None:
    quota = Quota(30, clock := Clock())

    assert let_in(quota, RIS) == 30
    clock.now = 4.0
    assert let_in(quota, RIS) == 2
    clock.now = 1000.0
    assert let_in(quota, RIS) == 30


def test_over_a_long_time_no_more_than_the_rate_is_let_in() -> None:
    quota = Quota(60, clock := Clock())
    total = 0
    for second in range(600):
        clock.now = float(second)
        total += let_in(quota, RIS)

    assert total == 60 + 599


def test_a_key_with_its_own_quota_has_it_and_others_are_not_charged() -> None:
    quota = Quota(30, Clock())

    assert let_in(quota, PACS) == 120
    assert let_in(quota, RIS) == 30


def test_a_batch_may_overdraw_and_its_debt_is_waited_for() -> None:
    quota = Quota(60, clock := Clock())
    quota.check(RIS)
    quota.take(RIS, 90)
    with pytest.raises(QuotaError, match="60 films a minute") as refused:
        quota.check(RIS)

    assert refused.value.retry_after_s == 31
    clock.now = 31.0
    assert let_in(quota, RIS) == 1


def test_without_a_rate_nobody_is_limited() -> None:
    quota = Quota(None, Clock())
    for _ in range(1000):
        quota.check(RIS)
        quota.take(RIS, 100)


def test_the_memory_of_callers_is_bounded() -> None:
    quota = Quota(1, Clock())
    for number in range(10_050):
        quota.take(Caller(f"token:{number}", frozenset()), 1)

    assert let_in(quota, Caller("token:0", frozenset())) == 1  # forgotten
    assert let_in(quota, Caller("token:10049", frozenset())) == 0
