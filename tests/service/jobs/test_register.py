"""Rules of jobs of which several processes take care: on PostgreSQL, where transactions run at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.dicomweb.tables import open_database
from service.jobs.asked import Asked
from service.jobs.register import Register
from service.jobs.tables import create_tables
from tests.waiting import wait_until

pytestmark = pytest.mark.process
ASKED = Asked("router", "f" * 64, "films", idempotency_key="night-1")
FILM = {"kind": "film", "study_instance_uid": "1.2", "series_instance_uid": "1.3", "sop_instance_uid": "1.4"}


@pytest.fixture
def engine(postgresql_url):
    with open_database(postgresql_url) as opened:
        yield opened


@pytest.fixture
def register(engine):
    create_tables(engine)
    return Register(engine)


class Held:
    """Rows that come once `let_go` is called: a transaction that is under way."""

    def __init__(self, *rows):
        self._rows = rows
        self.begun = threading.Event()
        self._may_go = threading.Event()

    def __iter__(self):
        self.begun.set()
        assert self._may_go.wait(60)
        yield from self._rows

    def let_go(self) -> None:
        self._may_go.set()


def wait_for_one_that_waits(engine) -> None:
    """Until a transaction waits for another one."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def waits():
        with engine.connect() as connection:
            return connection.scalar(query)

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
