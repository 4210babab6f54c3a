"""Rules of the quota, on a clock that the test winds, in this process and shared by replicas."""

import pytest

from schemas.errors import QuotaError
from service.security.callers import Caller
from service.security.quota import OwnBuckets, Quota
from tests.service.sharing.both import Clock, Place, place
from tests.service.sharing.conftest import postgresql, postgresql_url

__all__ = ["place", "postgresql", "postgresql_url"]

pytestmark = pytest.mark.anyio

RIS = Caller("key:1", frozenset({"predict"}))
PACS = Caller("key:2", frozenset({"predict"}), films_per_minute=120)


async def let_in(quota, caller):
    """How many single films are let in now."""
    for films in range(1000):
        try:
            await quota.check(caller)
        except QuotaError:
            return films
        await quota.take(caller, 1)
    pytest.fail("no end")


async def test_a_minutes_worth_is_let_in_at_once_and_then_one_for_each_share_of_the_minute(place: Place) -> None:
    quota = Quota(30, place.buckets(clock := Clock(0.0)))

    assert await let_in(quota, RIS) == 30
    clock.now = 4.0
    assert await let_in(quota, RIS) == 2
    clock.now = 1000.0
    assert await let_in(quota, RIS) == 30


async def test_over_a_long_time_no_more_than_the_rate_is_let_in(place: Place) -> None:
    quota = Quota(60, place.buckets(clock := Clock(0.0)))
    total = 0
    for second in range(90):
        clock.now = float(second)
        total += await let_in(quota, RIS)

    assert total == 60 + 89


async def test_a_key_with_its_own_quota_has_it_and_others_are_not_charged(place: Place) -> None:
    quota = Quota(30, place.buckets(Clock(0.0)))

    assert await let_in(quota, PACS) == 120
    assert await let_in(quota, RIS) == 30


async def test_a_batch_may_overdraw_and_its_debt_is_waited_for(place: Place) -> None:
    quota = Quota(60, place.buckets(clock := Clock(0.0)))
    await quota.check(RIS)
    await quota.take(RIS, 90)
    with pytest.raises(QuotaError, match="60 films a minute") as refused:
        await quota.check(RIS)

    assert refused.value.retry_after_s == 31
    clock.now = 31.0
    assert await let_in(quota, RIS) == 1


async def test_without_a_rate_nobody_is_limited(place: Place) -> None:
    quota = Quota(None, place.buckets(Clock(0.0)))
    for _ in range(1000):
        await quota.check(RIS)
        await quota.take(RIS, 100)


async def test_the_memory_of_callers_is_bounded() -> None:
    quota = Quota(1, OwnBuckets(Clock(0.0)))
    for number in range(10_050):
        await quota.take(Caller(f"token:{number}", frozenset()), 1)

    assert await let_in(quota, Caller("token:0", frozenset())) == 1  # forgotten
    assert await let_in(quota, Caller("token:10049", frozenset())) == 0
