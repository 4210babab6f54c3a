"""Rules of jobs of which several processes take care: on PostgreSQL, where transactions run at the same time."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, text

from imaging.limits import DecodeLimits
from service.dicomweb.instance import read_instance
from service.dicomweb.spool import Spool
from service.dicomweb.tables import open_database
from service.jobs.asked import Asked
from service.jobs.claims import FilmClaims
from service.jobs.register import Register, search_row
from service.jobs.retrieval import Page
from service.jobs.tables import create_tables, metadata
from tests.service.dicomweb.films import film
from tests.waiting import wait_until

pytestmark = pytest.mark.process
ASKED = Asked("router", "f" * 64, "films", idempotency_key="night-1")
FILM = {"kind": "film", "study_instance_uid": "1.2", "series_instance_uid": "1.3", "sop_instance_uid": "1.4"}


@pytest.fixture
def engine(postgresql_url):
    with open_database(postgresql_url) as opened:
        yield opened


@pytest.fixture
def announced():
    return []


@pytest.fixture
def register(engine, announced):
    create_tables(engine)
    return Register(engine, announce=lambda _, job: announced.append((job.id, job.state, job.progress.cancelled)))


@pytest.fixture
def claims(engine, register, clock):
    return FilmClaims(engine, register, local_archives=set, has_room=lambda _: True, clock=clock)


class Held(Sequence[Mapping[str, Any]]):
    """Rows that come once `let_go` is called: a transaction that is under way."""

    def __init__(self, *rows):
        self._rows = rows
        self.begun = threading.Event()
        self._may_go = threading.Event()

    def __iter__(self):
        self.begun.set()
        assert self._may_go.wait(60)
        yield from self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: Any) -> Any:
        return self

    def let_go(self) -> None:
        self._may_go.set()


def wait_for_one_that_waits(engine, count=1) -> None:
    """Until a transaction waits for another one, or several do."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def waits():
        with engine.connect() as connection:
            return connection.scalar(query) >= count

    wait_until(waits, "a transaction that waits for another one")


def test_of_two_requests_at_once_with_one_key_one_makes_the_job_and_the_other_gets_it(engine, register) -> None:
    rows = Held(FILM)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(register.create, ASKED, rows)
        assert rows.begun.wait(60)
        second = threads.submit(register.create, ASKED, [FILM])
        wait_for_one_that_waits(engine)
        rows.let_go()
        made, known = first.result(), second.result()

    assert (made.is_known, known.is_known) == (False, True)
    assert known.job.id == made.job.id
    assert known.job.progress.films == 1


def test_films_that_a_search_finds_while_its_job_is_cancelled_are_cancelled_too(engine, register, claims) -> None:
    job = register.create(ASKED, [search_row("instances", {})]).job
    search = claims.claim("search")
    found = Held(FILM)
    with ThreadPoolExecutor() as threads:
        written = threads.submit(claims.searched, search, Page(found, 1, "a"), at_most=10)
        assert found.begun.wait(60)
        cancelled = threads.submit(register.cancel, job.id)
        wait_for_one_that_waits(engine)
        found.let_go()
        assert written.result()
        progress = cancelled.result().progress

    assert (progress.films, progress.waiting, progress.cancelled) == (1, 0, 1)
    assert claims.claim("fetch") is None


def test_what_a_search_finds_after_its_job_was_cancelled_is_not_written(register, claims) -> None:
    job = register.create(ASKED, [search_row("instances", {})]).job
    search = claims.claim("search")
    register.cancel(job.id)

    assert not claims.searched(search, Page([FILM], 1, "a"), at_most=10)
    assert register.find(job.id).progress.films == 0


def test_no_film_of_a_job_that_has_ended_is_taken(engine, register, claims) -> None:
    job = register.create(ASKED, [search_row("instances", {})]).job
    number = claims.claim("search").job
    register.cancel(job.id)
    with engine.begin() as connection:  # as a version before did that a search found late
        register.add_films(connection, number, [FILM])

    assert claims.claim("fetch") is None


def test_replicas_that_start_at_once_on_an_empty_database_make_its_tables_once(engine) -> None:
    begun, may_go = threading.Event(), threading.Event()

    def hold(*_, **__) -> None:
        begun.set()
        assert may_go.wait(60)

    event.listen(metadata, "after_create", hold)
    try:
        with ThreadPoolExecutor() as threads:
            first = threads.submit(create_tables, engine)
            assert begun.wait(60)
            second = threads.submit(create_tables, engine)
            wait_for_one_that_waits(engine)
            may_go.set()
            assert [first.result(), second.result()] == [None, None]
    finally:
        event.remove(metadata, "after_create", hold)


def test_of_two_who_cancel_a_job_at_once_one_announces_its_end(engine, register, announced) -> None:
    job = register.create(ASKED, [FILM]).job
    with ThreadPoolExecutor() as threads:
        with engine.begin() as connection:
            connection.execute(text("SELECT 1 FROM jobs FOR UPDATE"))
            both = [threads.submit(register.cancel, job.id) for _ in range(2)]
            wait_for_one_that_waits(engine, 2)
        states = [each.result().state for each in both]

    assert states == ["cancelled", "cancelled"]
    assert announced == [(job.id, "cancelled", 1)]


def test_a_job_whose_end_cannot_be_announced_has_not_ended(engine, register) -> None:
    def fails(*_):
        raise ConnectionError

    job = register.create(ASKED, [FILM]).job
    with pytest.raises(ConnectionError):
        Register(engine, announce=fails).cancel(job.id)

    assert register.find(job.id) == job


def test_while_the_spool_is_full_no_film_is_fetched_and_searches_go_on(engine, register, clock) -> None:
    spool = Spool(engine, capacity=1, clock=clock)
    claims = FilmClaims(engine, register, local_archives=set, has_room=spool.has_room, clock=clock)
    register.create(ASKED, [FILM, search_row("instances", {})])
    spool.store(read_instance(film(), DecodeLimits()), "routine", "a" * 64)

    assert claims.claim("fetch") is None
    assert claims.claim("search") is not None
    spool.refused(spool.claim("received"), "invalid_image", "")
    assert claims.claim("fetch") is not None
