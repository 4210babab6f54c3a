"""Rules of what replicas share: two of them agree, a replica that dies blocks nobody, and a database that is away
stops no film."""

import asyncio
import socket
from functools import partial

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, select

from schemas.errors import IdempotencyKeyInUseError, QuotaError
from service.capacity.kept_answers import KeptAnswer, KeptAnswers, RequestName
from service.security.callers import Caller
from service.security.quota import OwnBuckets, Quota
from service.settings import LimitSettings
from service.sharing import tables
from service.sharing.answers import LEASE_S, SharedAnswers, failure_of
from service.sharing.buckets import SharedBuckets
from service.sharing.counters import SharingMetrics
from service.sharing.database import PAUSE_S, SharedDatabase
from service.sharing.opening import state_of
from tests.service.chosen import settings_of
from tests.service.conftest import flat_film
from tests.service.sharing.both import Clock, Shared

pytestmark = pytest.mark.anyio

RIS = Caller("key:1", frozenset({"predict"}))
NAME = RequestName("key:1", "/predict", "k")
FILM = flat_film(200)


@pytest.fixture
def shared(postgresql_url):
    made = Shared(postgresql_url)
    yield made
    for database in made.databases:
        database.close()


@pytest.fixture
def nowhere():
    """The address of a database that refuses connections."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"postgresql+psycopg://spool@127.0.0.1:{closed.getsockname()[1]}/spool"


def value(registry, name, **labels):
    return registry.get_sample_value(name, labels)


async def test_two_replicas_count_one_quota(shared) -> None:
    first, second = (Quota(10, shared.buckets(Clock())) for _ in range(2))
    await asyncio.gather(*(each.take(RIS, 1) for each in (first, second) for _ in range(5)))

    for replica in (first, second):
        with pytest.raises(QuotaError):
            await replica.check(RIS)


async def test_a_request_is_worked_on_by_one_replica_of_two_and_answered_by_both(shared) -> None:
    first, second = (shared.answers(60, 10_000, Clock()) for _ in range(2))
    async with first.once(NAME, b"film") as turn:
        with pytest.raises(IdempotencyKeyInUseError):
            async with second.once(NAME, b"film"):
                pytest.fail("worked on twice")
        turn.answer = KeptAnswer(b"answer", "application/json")
    async with second.once(NAME, b"film") as turn:
        assert turn.answer == KeptAnswer(b"answer", "application/json")


async def test_of_many_replicas_that_get_a_request_at_once_one_works_on_it(shared) -> None:
    replicas = [shared.answers(60, 10_000, Clock()) for _ in range(4)]
    worked = []

    async def ask(replica, number):
        try:
            async with replica.once(NAME, b"film") as turn:
                if turn.answer is None:
                    worked.append(number)
                    await asyncio.sleep(0)
                    turn.answer = KeptAnswer(b"answer")
        except IdempotencyKeyInUseError:
            pass

    await asyncio.gather(*(ask(replica, number) for number in range(5) for replica in replicas))

    assert len(worked) == 1


async def test_the_request_of_a_replica_that_died_is_free_after_its_lease(shared) -> None:
    clock = Clock()
    died, other = (shared.answers(60, 10_000, clock) for _ in range(2))
    turn = died.once(NAME, b"film")
    await turn.__aenter__()  # and never left
    clock.now += LEASE_S
    async with other.once(NAME, b"film") as again:
        worked_on = again.answer is None
        again.answer = KeptAnswer(b"other")
    await turn.__aexit__(None, None, None)  # it lived on: what it made is not kept over the other's
    async with other.once(NAME, b"film") as last:
        assert (worked_on, last.answer.body) == (True, b"other")


async def test_housekeeping_leaves_nothing_of_what_is_over(shared, postgresql_url) -> None:
    clock = Clock()
    answers, buckets = shared.answers(60, 10_000, clock), shared.buckets(clock)
    await buckets.take("key:1", 60, 5)
    async with answers.once(NAME, b"film") as turn:
        turn.answer = KeptAnswer(b"answer")
    clock.now += 60
    await shared.database().call("housekeeping", lambda line: (answers.tidy(line), buckets.tidy(line)))
    engine = create_engine(postgresql_url)
    with engine.begin() as connection:
        rows = [connection.execute(select(table)).all() for table in (tables.answers, tables.quotas)]
    engine.dispose()

    assert rows == [[], []]


async def test_no_name_of_a_caller_and_no_key_is_in_the_database(shared, postgresql_url) -> None:
    answers, buckets = shared.answers(60, 10_000, Clock()), shared.buckets(Clock())
    await buckets.take("token:maria", 60, 5)
    async with answers.once(RequestName("token:maria", "/predict", "accession-17"), b"film") as turn:
        turn.answer = KeptAnswer(b"answer")
    engine = create_engine(postgresql_url)
    with engine.begin() as connection:
        written = repr([connection.execute(select(table)).all() for table in (tables.answers, tables.quotas)])
    engine.dispose()

    assert "answer" in written
    assert "maria" not in written
    assert "accession" not in written


async def test_without_its_database_a_replica_counts_and_remembers_alone_and_asks_again_after_a_pause(nowhere) -> None:
    registry, clock = CollectorRegistry(), Clock()
    database = SharedDatabase(nowhere, SharingMetrics(registry), clock, call_s=30)
    quota = Quota(2, SharedBuckets(database, OwnBuckets(clock)))
    answers = SharedAnswers(database, KeptAnswers(60, 10_000, clock), 60, 10_000)
    await quota.take(RIS, 2)
    with pytest.raises(QuotaError):
        await quota.check(RIS)
    async with answers.once(NAME, b"film") as turn:
        turn.answer = KeptAnswer(b"answer")
    async with answers.once(NAME, b"film") as again:
        assert again.answer == KeptAnswer(b"answer")
    database.close()

    assert value(registry, "cxr_shared_state_fallbacks_total", use="quota") == 2
    assert value(registry, "cxr_shared_state_fallbacks_total", use="idempotency") == 2
    assert value(registry, "cxr_shared_state_available") == 0


async def test_a_database_that_comes_back_is_used_again_after_the_pause(nowhere, postgresql_url) -> None:
    registry, clock = CollectorRegistry(), Clock()
    database = SharedDatabase(nowhere, SharingMetrics(registry), clock, call_s=30)
    buckets = SharedBuckets(database, OwnBuckets(clock), clock)
    await buckets.take("key:1", 60, 5)
    database._engine = create_engine(postgresql_url)  # it is back under its address
    still_alone = await buckets.level("key:1", 60)
    clock.now += PAUSE_S
    together = await buckets.level("key:1", 60)
    database.close()

    assert (still_alone, together) == (55, 60)
    assert value(registry, "cxr_shared_state_available") == 1


async def test_a_film_waits_no_longer_than_its_limit_for_a_database_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://spool@127.0.0.1:{silent.getsockname()[1]}/spool"
        database = SharedDatabase(url, SharingMetrics(CollectorRegistry()), call_s=0.05)
        async with asyncio.timeout(30):
            level = await SharedBuckets(database, OwnBuckets()).level("key:1", 60)
        database.close()

    assert level == 60


async def test_the_app_starts_and_predicts_without_the_database_that_it_shares(serve, nowhere) -> None:
    async with serve(shared_state_url=nowhere, rate_limit=60) as client:
        first = await client.post("/predict", content=FILM, headers={"Idempotency-Key": "k"})
        again = await client.post("/predict", content=FILM, headers={"Idempotency-Key": "k"})
        metrics = (await client.get("/metrics")).text

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "cxr_shared_state_available 0.0" in metrics


async def test_two_apps_on_one_database_share_quota_and_answers(serve, postgresql_url, monkeypatch) -> None:
    # A call that takes longer would be answered by each for itself; the first of all makes the tables.
    monkeypatch.setattr("service.sharing.shared.SharedDatabase", partial(SharedDatabase, call_s=30))
    async with (
        serve(shared_state_url=postgresql_url, rate_limit=2) as first,
        serve(shared_state_url=postgresql_url, rate_limit=2) as second,
    ):
        answers = [
            await each.post("/predict", content=FILM, headers={"Idempotency-Key": "k"}) for each in (first, second)
        ]
        await first.post("/predict", content=FILM)
        refused = await second.post("/predict", content=FILM)

    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")


def test_a_spool_on_postgresql_is_where_replicas_share_unless_another_place_is_named() -> None:
    spool = "postgresql://db/spool"

    assert settings_of(dicomweb=True, spool_url=spool).shared_state_url == "postgresql+psycopg://db/spool"
    assert settings_of(dicomweb=False, spool_url=spool).shared_state_url is None
    assert settings_of(dicomweb=True).shared_state_url is None
    assert settings_of(dicomweb=True, spool_url=spool, shared_state_url="none").shared_state_url is None
    assert settings_of(shared_state_url="postgresql://db/other").shared_state_url == "postgresql+psycopg://db/other"


def test_a_database_that_is_not_postgresql_is_refused() -> None:
    with pytest.raises(Exception, match="must be postgresql"):
        settings_of(shared_state_url="sqlite:///shared.db")


def test_nothing_is_shared_and_nothing_opened_without_the_setting() -> None:
    state = state_of(None, LimitSettings(), CollectorRegistry())

    assert (type(state.buckets), type(state.answers)) == (OwnBuckets, KeptAnswers)


def test_a_failure_that_only_a_newer_replica_knows_is_one_of_the_film() -> None:
    assert str(failure_of("of_tomorrow", "two heads")) == "two heads"
