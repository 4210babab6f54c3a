"""The real processes under SIGKILL: every workitem is done exactly once, whichever performer dies, and when."""

import random
import re
import signal
import sqlite3
import sys
from functools import partial

import pytest

from tests.pacs.orthanc import free_port
from tests.service.companion import Companion
from tests.service.dicomweb.films import uid
from tests.service.server import Server
from tests.service.worklist.test_performer import outputs
from tests.waiting import wait_until

pytestmark = pytest.mark.process

ITEMS = 8
DONE_ONCE = ["SCHEDULED", "IN PROGRESS", "COMPLETED"]


@pytest.fixture
def server(tiny_models, spool_url, ward):
    started = Server(tiny_models, dicomweb="true", spool_url=spool_url, pacs_url=ward.archive.url)
    yield started
    started.end()


@pytest.fixture
def start(ward, server):
    processes = []

    def started(number: int, **settings) -> Companion:
        own = {
            "worklist_service_url": server.address,
            "worklist_database_url": f"sqlite:///{ward.folder}/performer-{number}.db",
            "worklist_at_once": 3,
        }
        processes.append(Companion("worklist", **(ward.settings(**own) | settings)))
        return processes[-1]

    yield started
    for process in processes:
        process.end()
        sys.stdout.writelines(process.lines)  # shown where a test fails


def schedule(ward) -> list[str]:
    return [ward.schedule(f"item {number}", f"film {number}") for number in range(ITEMS)]


def done(ward) -> bool:
    return all(item.state in ("COMPLETED", "CANCELED") for item in ward.origin.items.values())


def busy(ward, requests: int) -> bool:
    """Whether so many requests have come, or all is done."""
    return len(ward.origin.requests) >= requests or done(ward)


def each_once(ward, items) -> None:
    """Every workitem through its states once, with results that the archive was sent once."""
    for number, item in enumerate(items):
        assert ward.origin.items[item].states == DONE_ONCE
        assert ward.origin.items[item].progress[-1] == 100
        assert 10 in ward.origin.items[item].progress
        assert len(outputs(ward.origin.items[item])) == 3
        assert set(outputs(ward.origin.items[item])) <= ward.archive.stored.keys(), number
    assert len(ward.archive.stored) == 3 * len(items)
    assert set(ward.archive.stored.values()) == {1}


@pytest.mark.long
@pytest.mark.clause(
    "IHE AIW-I RAD-82", "of two performers that are killed at random, one alone does each workitem, once"
)
@pytest.mark.clause("IHE AIW-I RAD-84", "progress is updated while the work goes on")
@pytest.mark.clause("IHE AIW-I RAD-85", "each workitem is completed with references to its results")
def test_two_performers_under_sigkill_do_every_workitem_exactly_once(ward, start) -> None:
    ward.origin.lost.update({"claim": 2, "update": 2, "COMPLETED": 2})
    performers = {number: start(number) for number in (1, 2)}
    items = schedule(ward)
    chance = random.Random(19)
    for kill in range(6):
        number = 1 + kill % 2
        some = len(ward.origin.requests) + chance.randint(2, 12)
        wait_until(partial(busy, ward, some), "some requests", timeout_s=120)
        performers[number].end(signal.SIGKILL)
        performers[number] = start(number)
    wait_until(lambda: done(ward), "every workitem has ended", timeout_s=120)

    each_once(ward, items)
    said = "".join(line for performer in performers.values() for line in performer.lines)
    assert not re.search("|".join(re.escape(name) for name in (*items, *map(uid, ["film 0", "film 1"]))), said)


@pytest.mark.long
@pytest.mark.clause("PS3.4 CC.1.1", "another process goes on with the Transaction UID of one that died")
def test_a_performer_takes_over_the_claims_of_one_that_was_killed_for_good(ward, start, postgresql_url) -> None:
    shared = {"worklist_database_url": postgresql_url, "worklist_lease_s": 5}
    first = start(1, **shared)
    items = schedule(ward)
    wait_until(lambda: any(item.state == "IN PROGRESS" for item in ward.origin.items.values()), "a claim")
    first.end(signal.SIGKILL)
    start(2, **shared)
    wait_until(lambda: done(ward), "every workitem has ended", timeout_s=120)

    each_once(ward, items)


def test_a_signal_ends_the_process_in_order(ward, start) -> None:
    assert start(1).end() == 0


def test_a_register_that_is_away_for_a_while_ends_nothing(ward, start) -> None:
    process = start(1, worklist_metrics_port=free_port())
    database = ward.folder / "performer-1.db"
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE workitems RENAME TO away")
    wait_until(lambda: any("turn_failed" in line for line in process.lines), "a turn that failed")
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE away RENAME TO workitems")
    item = ward.schedule("one", "a")
    wait_until(lambda: done(ward), "done")

    assert ward.origin.items[item].states == DONE_ONCE
