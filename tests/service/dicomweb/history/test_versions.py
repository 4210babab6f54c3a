"""What a correction and a withdrawal mean in each state of a film, on SQLite and PostgreSQL."""

import threading

import pytest

from imaging.limits import DecodeLimits
from schemas.analysis import ObjectReference
from service.dicomweb.history.issues import Issue
from service.dicomweb.history.withdrawals import Withdrawals
from service.dicomweb.instance import read_instance
from service.dicomweb.ledger import Ledger
from service.dicomweb.spool import Spool
from service.leases import LEASE_S
from tests.service.dicomweb.films import STUDY, film, uid

MODEL = "a" * 64
OTHER_MODEL = "b" * 64


def notes(withdrawal):
    """One payload that names what is withdrawn, as a rejection note does."""
    names = sorted(each.sop_instance_uid for issue in withdrawal.issues for each in issue.objects)
    return {"2.25." + "".join(name.replace(".", "") for name in names): "|".join(names).encode()}


@pytest.fixture
def spool(each_database, clock):
    return Spool(each_database, capacity=3, clock=clock, write_notes=notes)


@pytest.fixture
def withdrawals(each_database, clock):
    return Withdrawals(each_database, clock=clock, write_notes=notes)


@pytest.fixture
def ledger(each_database, clock):
    return Ledger(each_database, retention_s=3600, clock=clock)


def store(spool, gray, model=MODEL):
    return spool.store(read_instance(film(gray=gray), DecodeLimits()), "routine", model)


def analyse(spool, name):
    """The next film gets one object of this name."""
    claim = spool.claim("received")
    reference = ObjectReference(
        study_instance_uid=STUDY, series_instance_uid="1.2", sop_class_uid="1.3", sop_instance_uid=name
    )
    issue = Issue(MODEL, b"header", (reference,))
    assert spool.analysed(claim, model_sha256=MODEL, record="{}", objects={name: b"object"}, issue=issue)


def sent(spool):
    """What the archive gets next."""
    claim = spool.claim("analysed")
    assert claim is not None
    return claim, sorted(claim.payloads.values())


def state(ledger):
    summary, _ = ledger.find(uid("film"))
    return summary.state, summary.version


def test_a_correction_of_a_film_that_waits_replaces_it_and_withdraws_nothing(spool, ledger) -> None:
    store(spool, 200)
    assert store(spool, 60) == "corrected"
    analyse(spool, "1.9")

    _, payloads = sent(spool)
    assert (payloads, state(ledger)) == ([b"object"], ("analysed", 2))


def test_whoever_analyses_the_earlier_content_has_no_say_any_more(spool, ledger) -> None:
    store(spool, 200)
    early = spool.claim("received")
    store(spool, 60)

    assert not spool.analysed(early, model_sha256=MODEL, record="{}", objects={"1.8": b"old"})
    assert not spool.refused(early, "invalid_image", "late")
    assert spool.claim("received").payloads == {"source": film(gray=60)}


def test_results_that_were_never_sent_are_dropped_and_not_withdrawn(spool) -> None:
    store(spool, 200)
    analyse(spool, "1.8")
    store(spool, 60)
    analyse(spool, "1.9")

    _, payloads = sent(spool)
    assert payloads == [b"object"]


def test_results_that_may_have_been_sent_are_withdrawn_once_the_attempt_has_ended(spool, clock) -> None:
    store(spool, 200)
    analyse(spool, "1.8")
    early, _ = sent(spool)
    store(spool, 60)
    assert spool.claim("received") is None
    assert not spool.delivered(early)
    clock.now += LEASE_S
    analyse(spool, "1.9")

    _, payloads = sent(spool)
    assert payloads == [b"1.8", b"object"]


def test_delivered_results_are_withdrawn_once_and_by_whichever_correction_reaches_the_archive(spool, ledger) -> None:
    store(spool, 200)
    analyse(spool, "1.7")
    assert spool.delivered(sent(spool)[0])
    store(spool, 60)
    analyse(spool, "1.8")
    store(spool, 100)
    analyse(spool, "1.9")
    claim, payloads = sent(spool)
    assert payloads == [b"1.7", b"object"]
    assert spool.delivered(claim)
    store(spool, 120)
    analyse(spool, "1.10")

    assert sent(spool)[1] == [b"1.9", b"object"]
    assert state(ledger) == ("analysed", 4)


def test_results_of_every_bundle_are_withdrawn(spool) -> None:
    store(spool, 200)
    analyse(spool, "1.7")
    assert spool.delivered(sent(spool)[0])
    assert store(spool, 200, OTHER_MODEL) == "new"
    claim = spool.claim("received")
    reference = ObjectReference(
        study_instance_uid=STUDY, series_instance_uid="1.2", sop_class_uid="1.3", sop_instance_uid="1.8"
    )
    issue = Issue(OTHER_MODEL, b"header", (reference,))
    assert spool.analysed(claim, model_sha256=OTHER_MODEL, record="{}", objects={"1.8": b"object"}, issue=issue)
    assert spool.delivered(sent(spool)[0])
    store(spool, 60, OTHER_MODEL)
    analyse(spool, "1.9")

    assert sent(spool)[1] == [b"1.7|1.8", b"object"]


def test_a_correction_of_a_dead_letter_is_analysed(spool, ledger) -> None:
    store(spool, 200)
    analyse(spool, "1.8")
    claim, _ = sent(spool)
    spool.postpone(claim, "pacs_refused", "no", delay_s=None)
    store(spool, 60)
    analyse(spool, "1.9")

    claim, payloads = sent(spool)
    assert payloads == [b"1.8", b"object"]
    assert spool.delivered(claim)
    assert state(ledger) == ("delivered", 2)


def test_a_full_spool_refuses_a_correction_and_keeps_the_first_content(spool, ledger) -> None:
    store(spool, 200)
    analyse(spool, "1.8")
    spool.delivered(sent(spool)[0])
    for name in ("a", "b", "c"):
        spool.store(read_instance(film(name), DecodeLimits()), "routine", MODEL)

    with pytest.raises(Exception, match="3 films wait in the spool"):
        store(spool, 60)
    assert state(ledger) == ("delivered", 1)


@pytest.mark.parametrize("moment", ["received", "analysed", "sending", "delivered", "refused"])
def test_a_withdrawn_film_sends_nothing_but_what_withdraws_it(spool, ledger, withdrawals, clock, moment) -> None:
    store(spool, 200)
    if moment == "refused":
        spool.refused(spool.claim("received"), "invalid_image", "unreadable")
    elif moment != "received":
        analyse(spool, "1.8")
    if moment in ("sending", "delivered"):
        claim, _ = sent(spool)
    if moment == "delivered":
        spool.delivered(claim)
    withdrawals.withdraw(uid("film"), "quality")
    withdrawals.withdraw(uid("film"), "wrong_patient")
    assert state(ledger) == ("withdrawn", 1)
    assert spool.claim("received") is None
    if moment == "sending":
        assert spool.claim("analysed") is None
        assert not spool.delivered(claim)
        clock.now += LEASE_S
    claim = spool.claim("analysed")

    payloads = [] if claim is None else list(claim.payloads.values())
    assert payloads == ([b"1.8"] if moment in ("sending", "delivered") else [])
    if claim is not None:
        spool.delivered(claim)
    assert state(ledger) == ("withdrawn", 1)
    assert store(spool, 200) == "known"
    assert store(spool, 60) == "corrected"


def test_a_rejection_that_the_archive_refuses_is_a_dead_letter_that_goes_on_as_what_it_was(
    spool, ledger, withdrawals
) -> None:
    store(spool, 200)
    analyse(spool, "1.8")
    spool.delivered(sent(spool)[0])
    withdrawals.withdraw(uid("film"), "quality")
    spool.postpone(sent(spool)[0], "pacs_refused", "no", delay_s=None)
    assert state(ledger) == ("failed", 1)
    assert store(spool, 200) == "known"
    ledger.retry(uid("film"))

    assert state(ledger) == ("withdrawn", 1)
    assert spool.delivered(sent(spool)[0])
    assert state(ledger) == ("withdrawn", 1)


def test_corrections_that_come_at_once_are_all_versions_and_one_stays(each_database, ledger) -> None:
    spool = Spool(each_database, capacity=30)
    store(spool, 200)
    answers = []

    def correct(gray):
        answers.append(store(Spool(each_database, capacity=30), gray))

    threads = [threading.Thread(target=correct, args=(gray,)) for gray in range(20, 100, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == ["corrected"] * 8
    assert state(ledger) == ("received", 9)
    assert spool.claim("received").version == 9
    assert spool.claim("received") is None


def test_the_results_of_a_studys_films_have_numbers_that_differ(spool, ledger) -> None:
    for name in ("a", "b", "c"):
        spool.store(read_instance(film(name, InstanceNumber=1), DecodeLimits()), "routine", MODEL)
    spool.store(read_instance(film("a", gray=60, InstanceNumber=1), DecodeLimits()), "routine", MODEL)

    assert sorted(spool.claim("received").number for _ in range(3)) == [2, 3, 4]


def test_what_was_issued_is_forgotten_with_its_film(spool, ledger, clock, each_database) -> None:
    store(spool, 200)
    analyse(spool, "1.8")
    spool.delivered(sent(spool)[0])
    clock.now += 3600
    ledger.prune()

    with each_database.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM issues").scalar() == 0
