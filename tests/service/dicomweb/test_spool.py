"""Rules of the spool and its ledger, on SQLite and, where it can be started, on PostgreSQL."""

import threading

import pytest

from imaging.limits import DecodeLimits
from schemas.errors import NotFoundError, SpoolFullError
from schemas.results import ResultQuery
from service.dicomweb.instance import read_instance
from service.dicomweb.ledger import Ledger
from service.dicomweb.spool import Spool
from service.leases import LEASE_S
from tests.service.dicomweb.films import film, uid

MODEL = "a" * 64
OTHER_MODEL = "b" * 64


@pytest.fixture
def spool(each_database, clock):
    return Spool(each_database, capacity=3, clock=clock)


@pytest.fixture
def ledger(each_database, clock):
    return Ledger(each_database, retention_s=3600, clock=clock)


def instance(name="film", **attributes):
    return read_instance(film(name, **attributes), DecodeLimits())


def analysed(spool, name="film") -> None:
    spool.store(instance(name), "routine", MODEL)
    claim = spool.claim("received")
    assert spool.analysed(claim, model_sha256=MODEL, record="{}", objects={"1.2.3": b"sr", "1.2.4": b"sc"})


def test_a_stored_film_is_claimed_once_with_its_bytes(spool) -> None:
    stored = spool.store(instance(), "routine", MODEL)
    claim = spool.claim("received")

    assert stored == "new"
    assert (claim.sop_instance_uid, claim.payloads, claim.attempts) == (uid("film"), {"source": film()}, 1)
    assert spool.claim("received") is None
    assert spool.claim("analysed") is None


def test_a_film_of_a_worker_that_died_is_claimed_again_after_its_lease_and_the_dead_have_no_say(
    spool, ledger, clock
) -> None:
    spool.store(instance(), "routine", MODEL)
    first = spool.claim("received")
    clock.now += LEASE_S - 1
    assert spool.claim("received") is None
    clock.now += 1
    second = spool.claim("received")

    assert (second.attempts, second.payloads) == (2, first.payloads)
    assert not spool.refused(first, "invalid_image", "late")
    assert spool.analysed(second, model_sha256=MODEL, record="{}", objects={"1.2.3": b"sr"})
    assert not spool.delivered(second._replace(token="another"))
    assert ledger.find(uid("film"))[0].state == "analysed"


def test_stat_is_claimed_before_routine_and_each_in_the_order_of_arrival(spool, clock) -> None:
    for name, priority in (("first", "routine"), ("second", "stat"), ("third", "stat")):
        spool.store(instance(name), priority, MODEL)
        clock.now += 1

    claimed = [spool.claim("received").sop_instance_uid for _ in range(3)]

    assert claimed == [uid("second"), uid("third"), uid("first")]


def test_each_step_keeps_only_the_bytes_that_the_next_needs(spool, ledger) -> None:
    analysed(spool)
    claim = spool.claim("analysed")
    assert (claim.payloads, claim.attempts) == ({"1.2.3": b"sr", "1.2.4": b"sc"}, 1)

    assert spool.delivered(claim)
    assert spool.claim("analysed") is None
    summary, record = ledger.find(uid("film"))
    assert (summary.state, summary.next_attempt_at, record) == ("delivered", None, "{}")


def test_a_film_whose_results_go_nowhere_waits_for_nothing(spool, ledger) -> None:
    spool.store(instance(), "routine", MODEL)
    spool.analysed(spool.claim("received"), model_sha256=MODEL, record="{}", objects={})

    assert spool.claim("analysed") is None
    assert (ledger.find(uid("film"))[0].next_attempt_at, ledger.depth().oldest_s) == (None, 0)


def test_a_film_sent_again_makes_no_new_work_until_the_model_is_another(spool) -> None:
    assert spool.store(instance(), "routine", MODEL) == "new"
    assert spool.store(instance(), "routine", MODEL) == "known"
    spool.analysed(spool.claim("received"), model_sha256=MODEL, record="{}", objects={})
    assert spool.store(instance(), "routine", MODEL) == "known"

    assert spool.claim("received") is None
    assert spool.store(instance(), "routine", OTHER_MODEL) == "new"
    assert spool.claim("received").attempts == 1


def test_another_content_under_a_known_uid_takes_the_place_of_the_first(spool) -> None:
    spool.store(instance(), "routine", MODEL)

    assert spool.store(instance(gray=60), "routine", MODEL) == "corrected"
    claim = spool.claim("received")
    assert (claim.payloads, claim.version) == ({"source": film(gray=60)}, 2)
    assert spool.claim("received") is None


def test_a_full_spool_refuses_new_films_alone(spool, ledger) -> None:
    analysed(spool, "first")
    for name in ("second", "third"):
        spool.store(instance(name), "routine", MODEL)

    with pytest.raises(SpoolFullError, match="3 films wait in the spool, which holds 3"):
        spool.store(instance("fourth"), "routine", MODEL)
    assert spool.store(instance("second"), "routine", MODEL) == "known"
    assert spool.store(instance("second"), "routine", OTHER_MODEL) == "new"
    spool.delivered(spool.claim("analysed"))
    assert spool.store(instance("fourth"), "routine", MODEL) == "new"
    assert ledger.depth().states == {"received": 3, "delivered": 1}


def test_postponed_work_comes_back_when_its_time_has_come_and_says_why(spool, ledger, clock) -> None:
    analysed(spool)
    assert spool.postpone(spool.claim("analysed"), "pacs_unreachable", "no answer", delay_s=10)
    assert spool.claim("analysed") is None
    summary, _ = ledger.find(uid("film"))
    assert (summary.state, summary.problem, summary.detail) == ("analysed", "pacs_unreachable", "no answer")
    assert summary.next_attempt_at.timestamp() == clock.now + 10
    clock.now += 10

    assert spool.claim("analysed").attempts == 2


def test_a_dead_letter_keeps_its_bytes_and_goes_on_where_it_failed_when_asked(spool, ledger) -> None:
    analysed(spool, "unsent")
    spool.postpone(spool.claim("analysed"), "pacs_refused", "409", delay_s=None)
    spool.store(instance("unread"), "routine", MODEL)
    spool.postpone(spool.claim("received"), "internal", "defect", delay_s=None)
    assert {summary.sop_instance_uid for summary in ledger.list(ResultQuery(state="failed")).results} == {
        uid("unsent"),
        uid("unread"),
    }

    ledger.retry(uid("unsent"))
    ledger.retry(uid("unread"))
    assert spool.claim("analysed").payloads == {"1.2.3": b"sr", "1.2.4": b"sc"}
    assert spool.claim("received").attempts == 1
    with pytest.raises(NotFoundError, match="no failed result"):
        ledger.retry(uid("unread"))


def test_a_dead_letter_that_is_sent_again_is_analysed_again(spool) -> None:
    analysed(spool)
    spool.postpone(spool.claim("analysed"), "pacs_refused", "409", delay_s=None)

    assert spool.store(instance(), "routine", MODEL) == "new"
    assert spool.claim("received").payloads == {"source": film()}


def test_what_is_finished_is_forgotten_after_its_retention_and_what_waits_is_not(spool, ledger, clock) -> None:
    analysed(spool, "delivered")
    spool.delivered(spool.claim("analysed"))
    spool.store(instance("refused"), "routine", MODEL)
    spool.refused(spool.claim("received"), "invalid_image", "broken")
    spool.store(instance("waiting"), "routine", MODEL)
    clock.now += 3599
    assert ledger.prune() == {}
    clock.now += 1

    assert ledger.prune() == {"delivered": 1, "refused": 1}
    assert [summary.sop_instance_uid for summary in ledger.list(ResultQuery()).results] == [uid("waiting")]
    with pytest.raises(NotFoundError, match="retention"):
        ledger.find(uid("delivered"))


def test_the_depth_counts_states_and_the_age_of_the_oldest_that_waits(spool, ledger, clock) -> None:
    spool.store(instance("first"), "routine", MODEL)
    clock.now += 60
    spool.store(instance("second"), "routine", MODEL)
    clock.now += 1

    depth = ledger.depth()

    assert (depth.states, depth.oldest_s) == ({"received": 2}, 61)


@pytest.mark.parametrize("back_s", [50, 3600, 7 * 24 * 3600])
def test_a_clock_that_is_set_back_stops_no_film(spool, ledger, clock, back_s) -> None:
    spool.store(instance("waiting"), "routine", MODEL)
    clock.now -= back_s
    spool.store(instance("later"), "routine", MODEL)

    assert {spool.claim("received").sop_instance_uid for _ in range(2)} == {uid("waiting"), uid("later")}


def test_times_from_the_future_are_mended_so_that_work_and_alert_go_on(spool, ledger, clock) -> None:
    analysed(spool, "postponed")
    spool.postpone(spool.claim("analysed"), "pacs_unreachable", "no answer", delay_s=300)
    spool.store(instance("waiting"), "routine", MODEL)
    spool.store(instance("in hand"), "stat", MODEL)
    assert spool.claim("received").sop_instance_uid == uid("in hand")
    clock.now -= 3600
    assert ledger.depth().oldest_s == 0

    assert ledger.mend_times() == 3
    assert ledger.mend_times() == 0
    assert spool.claim("analysed").sop_instance_uid == uid("postponed")
    clock.now += LEASE_S
    assert ledger.depth().oldest_s == LEASE_S
    assert {spool.claim("received").sop_instance_uid for _ in range(2)} == {uid("in hand"), uid("waiting")}


def test_clocks_that_differ_by_a_little_are_left_alone(spool, ledger, clock) -> None:
    spool.store(instance(), "routine", MODEL)
    clock.now -= 50

    assert ledger.mend_times() == 0


def test_workers_that_claim_at_the_same_time_never_get_the_same_film(each_database) -> None:
    spool = Spool(each_database, capacity=100)
    for number in range(12):
        spool.store(instance(str(number)), "routine", MODEL)
    claimed = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        while (claim := spool.claim("received")) is not None:
            claimed.append(claim.sop_instance_uid)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(claimed) == sorted(uid(str(number)) for number in range(12))


def test_the_listing_is_bounded_and_begins_with_the_latest_change(spool, ledger, clock) -> None:
    for name in ("first", "second", "third"):
        spool.store(instance(name), "routine", MODEL)
        clock.now += 1

    assert [summary.sop_instance_uid for summary in ledger.list(ResultQuery(limit=2)).results] == [
        uid("third"),
        uid("second"),
    ]
    assert ledger.list(ResultQuery(state="failed")).results == ()


def test_what_follows_from_an_analysis_is_written_with_it_or_neither_is(spool, ledger) -> None:
    spool.store(instance(), "routine", MODEL)
    claim = spool.claim("received")

    def fail(_connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spool.analysed(claim, model_sha256=MODEL, record="{}", objects={}, also=fail)

    assert ledger.find(uid("film"))[0].state == "received"
    assert spool.analysed(claim, model_sha256=MODEL, record="{}", objects={})


def test_what_follows_from_an_analysis_is_not_written_where_the_lease_was_lost(spool, clock) -> None:
    spool.store(instance(), "routine", MODEL)
    late = spool.claim("received")
    clock.now += LEASE_S + 1
    spool.claim("received")
    written: list[object] = []

    assert not spool.analysed(late, model_sha256=MODEL, record="{}", objects={}, also=written.append)
    assert written == []
