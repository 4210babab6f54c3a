"""Rules of the loops that empty the spool, and of a delivery."""

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Never

import pytest
from sqlalchemy import create_engine, select

from imaging.limits import DecodeLimits
from schemas.errors import (
    AuditUnavailableError,
    InferenceError,
    InvalidImageError,
    NotReadyError,
    PacsRefusedError,
    PacsUnreachableError,
    SpoolUnavailableError,
)
from service.dicomweb.delivery import deliver
from service.dicomweb.instance import read_instance
from service.dicomweb.ledger import Ledger
from service.dicomweb.spool import Spool
from service.dicomweb.tables import instances
from service.dicomweb.verdict import Backoff
from service.dicomweb.worker import Step, Worker
from service.leases import LEASE_S
from service.metrics import Metrics
from tests.fakes import MemoryArchive
from tests.service.dicomweb.films import film, uid
from tests.waiting import until

pytestmark = pytest.mark.anyio

MODEL = "a" * 64
SR = {"1.2.3": b"sr"}
SC = {"1.2.4": b"sc"}
LATEST = Backoff(first_s=1, longest_s=8, uniform=lambda _, high: high)


@pytest.fixture
def spool(database, clock):
    return Spool(database, capacity=10, clock=clock)


@pytest.fixture
def ledger(database, clock):
    return Ledger(database, retention_s=3600, clock=clock)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def running(spool, ledger, metrics):
    """Run a worker with one step: `async with running("received", work) as worker`."""

    @asynccontextmanager
    async def start(state, work, *, max_attempts=3):
        worker = Worker(
            spool,
            ledger,
            [Step(state, work, 1, max_attempts, count_failure=lambda word: metrics.pacs_deliveries.labels(word).inc())],
            metrics,
            LATEST,
        )
        worker.start()
        try:
            yield worker
        finally:
            await worker.stop()

    return start


def store(spool, name="film") -> None:
    spool.store(read_instance(film(name), DecodeLimits()), "routine", MODEL)


def store_results(spool, objects) -> None:
    store(spool)
    spool.analysed(spool.claim("received"), model_sha256=MODEL, record="{}", objects=objects)


def state(ledger, name="film"):
    return ledger.find(uid(name))[0].state


def fails_with(error):
    async def work(_claim) -> Never:
        raise error

    return work


async def test_results_are_stored_and_counted(running, spool, ledger, metrics) -> None:
    archive = MemoryArchive()
    store_results(spool, SR | SC)
    async with running("analysed", partial(deliver, spool=spool, archive=archive, metrics=metrics)):
        await until(lambda: state(ledger) == "delivered")

    assert archive.batches == [[b"sr", b"sc"]]
    assert metrics.pacs_deliveries.labels("delivered")._value.get() == 1


async def test_only_what_the_archive_lacks_is_sent(running, spool, ledger, metrics) -> None:
    archive = MemoryArchive(has={"1.2.3"})
    store_results(spool, SR | SC)
    async with running("analysed", partial(deliver, spool=spool, archive=archive, metrics=metrics)):
        await until(lambda: state(ledger) == "delivered")

    assert archive.batches == [[b"sc"]]


async def test_an_archive_that_cannot_be_asked_is_sent_nothing_until_it_can(
    running, spool, ledger, metrics, clock
) -> None:
    archive = MemoryArchive(failures=[PacsUnreachableError("away"), PacsUnreachableError("away")])
    store_results(spool, SR)
    async with running("analysed", partial(deliver, spool=spool, archive=archive, metrics=metrics)) as worker:
        await until(lambda: ledger.find(uid("film"))[0].problem == "pacs_unreachable")
        assert archive.batches == []

        def is_delivered():
            clock.now += 1
            worker.wake()
            return state(ledger) == "delivered"

        await until(is_delivered)

    assert archive.batches == [[b"sr"]]
    assert ledger.find(uid("film"))[0].problem is None


async def test_after_the_last_attempt_a_result_is_a_dead_letter_with_its_problem(
    running, spool, ledger, metrics, clock
) -> None:
    store_results(spool, SR)
    async with running("analysed", fails_with(PacsUnreachableError("away")), max_attempts=2) as worker:

        def is_dead():
            clock.now += 1
            worker.wake()
            return state(ledger) == "failed"

        await until(is_dead)
    summary, _ = ledger.find(uid("film"))

    assert (summary.attempts, summary.problem, summary.detail) == (2, "pacs_unreachable", "away")
    assert metrics.pacs_deliveries.labels("postponed")._value.get() == 1
    assert metrics.pacs_deliveries.labels("failed")._value.get() == 1


async def test_a_refusal_is_a_dead_letter_at_once(running, spool, ledger) -> None:
    store_results(spool, SR)
    async with running("analysed", fails_with(PacsRefusedError("no"))):
        await until(lambda: state(ledger) == "failed")

    assert ledger.find(uid("film"))[0].attempts == 1


async def test_a_film_that_cannot_be_read_is_refused_and_never_tried_again(running, spool, ledger) -> None:
    store(spool)
    async with running("received", fails_with(InvalidImageError("broken"))):
        await until(lambda: state(ledger) == "refused")

    assert ledger.find(uid("film"))[0].problem == "invalid_image"


@pytest.mark.parametrize(
    ("error", "problem"), [(InferenceError("died"), "inference_failed"), (RuntimeError("Marker^Patient"), "internal")]
)
async def test_a_defect_harms_no_other_film_and_is_tried_again(
    running, spool, ledger, *, clock, logged, error, problem
) -> None:
    done = []

    async def work(claim) -> None:
        if claim.sop_instance_uid == uid("poison"):
            raise error
        done.append(claim.sop_instance_uid)
        spool.refused(claim, "none", "")

    store(spool, "poison")
    clock.now += 1
    store(spool, "good")
    async with running("received", work):
        await until(lambda: state(ledger, "good") == "refused")
    summary, _ = ledger.find(uid("poison"))

    assert (summary.state, summary.problem) == ("received", problem)
    assert done == [uid("good")]
    assert "Marker" not in f"{logged}{summary}"
    assert uid("poison") not in str(logged)


@pytest.mark.parametrize("error", [NotReadyError("dead"), AuditUnavailableError("full"), SpoolUnavailableError("full")])
async def test_what_is_no_fault_of_the_film_costs_it_no_attempt(running, spool, ledger, clock, error) -> None:
    tried = []

    async def work(claim) -> None:
        tried.append(claim.attempts)
        if len(tried) <= 5:
            raise error
        spool.refused(claim, "none", "")

    def is_done():
        clock.now += 1
        worker.wake()
        return state(ledger) == "refused"

    store(spool)
    async with running("received", work, max_attempts=2) as worker:
        await until(is_done)

    assert tried == [1, 1, 1, 1, 1, 1]


async def test_a_film_whose_every_attempt_ended_the_process_is_given_up_without_another(
    running, spool, ledger, clock
) -> None:
    store(spool)
    for _ in range(3):
        assert spool.claim("received")
        clock.now += 1000

    async def work(_claim) -> None:
        pytest.fail("it was tried a fourth time")

    async with running("received", work, max_attempts=3):
        await until(lambda: state(ledger) == "failed")

    assert "ended the service 3 times" in ledger.find(uid("film"))[0].detail


def crash_with(database, clock, spool, films) -> None:
    """What a process leaves that ends with so many films in hand; the lease tells, as with several processes."""
    for _ in range(films):
        assert spool.claim("received")
    clock.now += LEASE_S + 1


async def test_what_was_in_hand_by_chance_is_not_to_blame(spool, ledger, database, clock, metrics) -> None:
    names = [f"film {number}" for number in range(6)]
    for name in names:
        store(spool, name)
        clock.now += 1
    done: list[str] = []
    for _ in range(20):
        crash_with(database, clock, spool, 2)
    crashes = {name: spool_crashes(database, name) for name in names}

    async def work(claim) -> None:
        done.append(claim.sop_instance_uid)
        spool.refused(claim, "none", "")

    worker = Worker(spool, ledger, [Step("received", work, 2, 30)], metrics, LATEST)
    worker.start()
    await until(lambda: ledger.depth().states == {"refused": 6})
    await worker.stop()

    assert max(crashes.values()) - min(crashes.values()) <= 1
    assert sorted(done) == sorted(map(uid, names))


def spool_crashes(database, name):
    with database.begin() as connection:
        return connection.scalar(select(instances.c.crashes).where(instances.c.sop_instance_uid == uid(name)))


async def test_a_suspect_is_worked_on_alone_and_after_the_others(spool, ledger, database, clock, metrics) -> None:
    for name in ("suspect", "another suspect"):
        store(spool, name)
        clock.now += 1
    crash_with(database, clock, spool, 2)
    for name in ("first", "second", "third"):
        store(spool, name)
        clock.now += 1
    in_hand: set[str] = set()
    seen: list[frozenset[str]] = []
    gate = asyncio.Event()

    async def work(claim) -> None:
        in_hand.add(claim.sop_instance_uid)
        if len(in_hand) == 3:
            gate.set()
        await gate.wait()
        seen.append(frozenset(in_hand))
        in_hand.discard(claim.sop_instance_uid)
        spool.refused(claim, "none", "")

    worker = Worker(spool, ledger, [Step("received", work, 3, 3)], metrics, LATEST)
    worker.start()
    await until(lambda: ledger.depth().states == {"refused": 5})
    await worker.stop()

    assert seen[0] == {uid("first"), uid("second"), uid("third")}
    assert seen[3:] == [{uid("suspect")}, {uid("another suspect")}]


async def test_a_film_that_is_cut_off_by_the_end_is_not_a_suspect(spool, ledger, clock, metrics) -> None:
    begun = asyncio.Event()

    async def work(_claim) -> None:
        begun.set()
        await asyncio.Event().wait()

    store(spool)
    worker = Worker(spool, ledger, [Step("received", work, 1, 3)], metrics, LATEST)
    worker.start()
    await begun.wait()
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    for task in worker._tasks:
        task.cancel()
    await stopping

    claim = spool.claim("received")
    assert (claim.crashes, claim.attempts) == (0, 1)


async def test_a_step_that_may_not_start_leaves_its_films(spool, ledger, metrics) -> None:
    asked = asyncio.Event()
    may_start = False

    def permission():
        asked.set()
        return may_start

    store(spool)
    step = Step("received", fails_with(InvalidImageError("read")), 1, 3, permission)
    worker = Worker(spool, ledger, [step], metrics)
    worker.start()
    await asked.wait()
    assert state(ledger) == "received"
    may_start = True
    worker.wake()
    await until(lambda: state(ledger) == "refused")
    await worker.stop()


async def test_a_database_without_an_answer_is_logged_in_words_without_its_password(spool, metrics, logged) -> None:
    engine = create_engine("postgresql+psycopg://spool:secret@127.0.0.1:1/spool", hide_parameters=True)
    worker = Worker(spool, Ledger(engine, retention_s=1), [], metrics, LATEST)
    worker.start()
    await until(lambda: any(event["event"] == "spool_housekeeping_failed" for event in logged))
    await worker.stop()
    engine.dispose()

    failed, kept = logged[:2]
    assert failed["reason"].startswith("nothing listens at its address; check host and port")
    assert kept["reason"].startswith("the spool's database cannot be read or written now")
    assert "exc_info" not in kept
    assert "secret" not in str(logged)


async def test_dead_letters_that_are_forgotten_are_counted_and_logged(spool, database, metrics, logged) -> None:
    store(spool)
    spool.postpone(spool.claim("received"), "pacs_refused", "full", delay_s=None, counts=True)
    worker = Worker(spool, Ledger(database, retention_s=0), [], metrics, LATEST)
    worker.start()
    await until(lambda: metrics.registry.get_sample_value("cxr_spool_forgotten_total", {"state": "failed"}) == 1)
    await worker.stop()

    assert [(event["films"], event["log_level"]) for event in logged if event["event"] == "dead_letters_forgotten"] == [
        (1, "error")
    ]


async def test_a_database_that_was_away_stops_no_loop(running, spool, ledger, database, logged) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE instances RENAME TO away")
    async with running("received", fails_with(InvalidImageError("read"))) as worker:
        await until(lambda: any(event["event"] == "spool_loop_failed" for event in logged))
        with database.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO instances")
        store(spool)
        worker.wake()
        await until(lambda: state(ledger) == "refused")
        assert worker.alive


async def test_stopping_lets_the_film_in_hand_finish(running, spool, ledger) -> None:
    begun = asyncio.Event()
    gate = asyncio.Event()

    async def work(claim) -> None:
        begun.set()
        await gate.wait()
        spool.refused(claim, "none", "")

    store(spool)
    async with running("received", work) as worker:
        await begun.wait()
        stop = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)
        gate.set()
        await stop

    assert state(ledger) == "refused"
    assert not worker.alive


async def test_the_metrics_show_the_states_and_the_oldest(running, spool, metrics, clock) -> None:
    store(spool)
    clock.now += 30
    text = metrics.registry

    async with running("analysed", fails_with(InvalidImageError("never"))):
        await until(lambda: text.get_sample_value("cxr_spool_depth", {"state": "received"}) == 1)

    assert text.get_sample_value("cxr_spool_oldest_seconds") == 30
    assert text.get_sample_value("cxr_spool_depth", {"state": "failed"}) == 0


class HeldQueue:
    """A queue with one claim for each step, whose claims come once `let_go` is called."""

    def __init__(self):
        self.asked = []
        self._may_go = threading.Event()
        self.let_go = self._may_go.set

    def claim(self, state, *, suspects=True):
        self.asked.append(state)
        assert self._may_go.wait(60)
        return SimpleNamespace(attempts=1, crashes=0, token=state) if self.asked.count(state) == 1 else None

    def refused(self, claim, problem, detail):
        raise NotImplementedError

    def postpone(self, claim, problem, detail, *, delay_s, counts=True):
        raise NotImplementedError

    def release(self, claim):
        raise NotImplementedError


async def test_a_step_that_waited_for_its_turn_does_not_start_beside_what_began_meanwhile(
    spool, ledger, metrics
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    together = []

    async def first(_claim) -> None:
        begun.set()
        await may_end.wait()
        begun.clear()

    async def second(_claim) -> None:
        together.append(begun.is_set())

    queue = HeldQueue()
    steps = [
        Step("first", first, 1, 1, queue=queue, hand="analysis"),
        Step("second", second, 1, 1, queue=queue, hand="analysis", may_start=lambda: not begun.is_set()),
    ]
    worker = Worker(spool, ledger, steps, metrics, LATEST)
    worker.start()
    try:
        await until(lambda: queue.asked)
        queue.let_go()
        await until(begun.is_set)
        await asyncio.to_thread(spool.claim, "received")  # a turn of the threads, in which the second could be taken
        may_end.set()
        await until(lambda: together)
    finally:
        await worker.stop()

    assert together == [False]
