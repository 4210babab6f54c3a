"""Rules of the outbox and its ledger, on SQLite and, where it can be started, on PostgreSQL."""

import pytest

from service.destinations.outbox import Outbox, Packed
from service.destinations.parcel_ledger import ParcelLedger
from service.dicomweb.tables import open_database, transaction
from service.leases import LEASE_S

HOUR_S = 3600


@pytest.fixture
def outbox(database, clock):
    return Outbox(database, clock)


@pytest.fixture
def ledger(database, clock):
    return ParcelLedger(database, retention_s=HOUR_S, clock=clock)


@pytest.fixture
def put(outbox, database):
    def write(destination="ris", sop="1.2.3", content=b"result", **more) -> None:
        with transaction(database) as connection:
            outbox.put(connection, Packed(destination, {"message": content}, sop, "1.2", **more))

    return write


def test_a_parcel_is_claimed_once_by_its_destination_with_its_contents(outbox, put) -> None:
    put()

    assert outbox.claim("pacs") is None
    claim = outbox.claim("ris")
    assert (claim.parcel.contents, claim.parcel.study_instance_uid) == ({"message": b"result"}, "1.2")
    assert (claim.attempts, claim.crashes, claim.sop_instance_uid) == (1, 0, "1.2.3")
    assert outbox.claim("ris") is None


def test_a_key_is_the_same_at_every_attempt_and_nowhere_else(outbox, put) -> None:
    put(sop="1.2.3")
    put(sop="1.2.4")
    first = outbox.claim("ris")
    other = outbox.claim("ris")
    outbox.postpone(first, "destination_unreachable", "away", delay_s=0)

    assert outbox.claim("ris").parcel.key == first.parcel.key != other.parcel.key
    assert len(first.parcel.key) == 20


def test_a_parcel_is_not_written_where_its_transaction_fails(outbox, database) -> None:
    def fail_after_it() -> None:
        with transaction(database) as connection:
            outbox.put(connection, Packed("ris", {"message": b"x"}, "1.2.3"))
            raise KeyError

    with pytest.raises(KeyError):
        fail_after_it()

    assert outbox.claim("ris") is None


def test_of_one_film_parcels_arrive_in_the_order_in_which_they_were_written(outbox, put) -> None:
    put(content=b"first")
    put(content=b"second")
    first = outbox.claim("ris")

    assert outbox.claim("ris") is None
    outbox.postpone(first, "destination_unreachable", "away", delay_s=60)
    assert outbox.claim("ris") is None


def test_the_second_parcel_of_a_film_follows_the_first(outbox, put) -> None:
    put(content=b"first")
    put(content=b"second")
    outbox.delivered(outbox.claim("ris"))

    assert outbox.claim("ris").parcel.contents == {"message": b"second"}


def test_a_dead_letter_that_a_later_parcel_has_overtaken_is_never_sent(outbox, ledger, put) -> None:
    put(content=b"first")
    put(content=b"second")
    outbox.postpone(outbox.claim("ris"), "destination_refused", "no", delay_s=None)
    outbox.delivered(outbox.claim("ris"))

    assert outbox.retry("1.2.3") == 0
    assert ledger.depths()["ris"].states == {"delivered": 1}


def test_what_a_destination_gets_about_an_event_keeps_its_dead_letters(outbox, ledger, put) -> None:
    put(sop=None)
    put(sop=None)
    outbox.postpone(outbox.claim("ris"), "destination_refused", "no", delay_s=None)
    outbox.delivered(outbox.claim("ris"))

    assert ledger.depths()["ris"].states == {"failed": 1, "delivered": 1}


def test_a_lost_lease_changes_nothing(outbox, ledger, put, clock) -> None:
    put()
    late = outbox.claim("ris")
    clock.now += LEASE_S + 1
    again = outbox.claim("ris")

    assert (again.attempts, again.crashes) == (2, 1)
    assert not outbox.delivered(late)
    assert not outbox.postpone(late, "x", "x", delay_s=None)
    assert outbox.delivered(again)
    assert ledger.of("1.2.3")[0].state == "delivered"


def test_a_delivery_that_was_cut_off_counts_as_none(outbox, put) -> None:
    put()
    outbox.release(outbox.claim("ris"))

    assert outbox.claim("ris").attempts == 1


def test_a_dead_letter_is_shown_with_its_problem_and_retried_from_its_first_attempt(outbox, ledger, put) -> None:
    put()
    outbox.refused(outbox.claim("ris"), "destination_refused", "AR: unknown sender")
    (state,) = ledger.of("1.2.3")

    assert (state.name, state.state, state.attempts) == ("ris", "failed", 1)
    assert (state.problem, state.detail) == ("destination_refused", "AR: unknown sender")
    assert outbox.claim("ris") is None
    assert outbox.retry("1.2.3") == 1
    assert outbox.claim("ris").attempts == 1


def test_what_could_not_be_packed_is_a_dead_letter_that_no_attempt_mends(outbox, ledger, database) -> None:
    with transaction(database) as connection:
        outbox.put(connection, Packed("ris", {}, "1.2.3", problem=("internal", "a defect")))

    assert (ledger.of("1.2.3")[0].state, outbox.retry("1.2.3")) == ("failed", 0)


def test_the_ages_and_depths_are_of_each_destination(outbox, ledger, put, clock) -> None:
    put(sop="1")
    clock.now += 30
    put(sop="2")
    put("pacs", sop="1")
    outbox.delivered(outbox.claim("pacs"))

    depths = ledger.depths()
    assert (depths["ris"].states, depths["ris"].oldest_s) == ({"waiting": 2}, 30)
    assert (depths["pacs"].states, depths["pacs"].oldest_s) == ({"delivered": 1}, 0)


def test_what_has_ended_is_forgotten_after_its_retention_and_what_waits_is_not(outbox, ledger, put, clock) -> None:
    put(sop="1")
    outbox.delivered(outbox.claim("ris"))
    put(sop="2")
    outbox.refused(outbox.claim("ris"), "destination_refused", "no")
    put(sop="3")
    put("gone", sop="4")
    assert ledger.prune(frozenset({"ris"})) == {}
    clock.now += HOUR_S

    forgotten = {("ris", "delivered"): 1, ("ris", "failed"): 1, ("gone", "waiting"): 1}
    assert ledger.prune(frozenset({"ris"})) == forgotten
    assert {name: depth.states for name, depth in ledger.depths().items()} == {"ris": {"waiting": 1}}


def test_a_clock_that_is_set_back_holds_nothing_up(outbox, ledger, put, clock) -> None:
    clock.now += 10 * HOUR_S
    put()
    outbox.postpone(outbox.claim("ris"), "destination_unreachable", "away", delay_s=60)
    clock.now -= 10 * HOUR_S

    assert outbox.claim("ris") is None
    assert ledger.mend_times() == 1
    assert outbox.claim("ris")


def test_what_a_killed_process_had_in_hand_is_free_after_the_next_start(spool_url, clock) -> None:
    with open_database(spool_url) as engine:
        with transaction(engine) as connection:
            Outbox(engine, clock).put(connection, Packed("ris", {"message": b"x"}, "1.2.3"))
        assert Outbox(engine, clock).claim("ris")
    with open_database(spool_url) as engine:
        claim = Outbox(engine, clock).claim("ris")

    assert (claim.attempts, claim.crashes) == (2, 1)
