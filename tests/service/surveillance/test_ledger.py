"""The ledger and the stops in SQLite and PostgreSQL: what is kept, in which order, and what is still to be recorded."""

from datetime import UTC, datetime

import pytest

from schemas.errors import NotFoundError
from schemas.monitoring import StopLimit, StopLimits, Suspension, VerdictRequest
from service.dicomweb.tables import open_database
from service.surveillance.ledger import Ledger
from service.surveillance.statements import FilmName, Statement
from service.surveillance.stops import Stops

OURS, OTHER = "5a" * 32, "6b" * 32
FACTS = {"caller": "key:0123456789ab", "route": "/verdicts", "request_id": "r"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def engine(request):
    url = request.getfixturevalue("spool_url" if request.param == "sqlite" else "postgresql_url")
    with open_database(url) as opened:
        yield opened


def reading(ledger, name, *, model=OURS, at=100.0, decision="positive", suspended=0):
    names = ledger.names
    return {
        "film_key": names.film(name),
        "model_sha256": model,
        "study_key": names.study("1.2"),
        "accession_key": names.accession("A-1"),
        "report_key": names.report(f"{name}.1"),
        "film_sha256": "0" * 64,
        "analysed_at": at,
        "bundle": "tiny/1.0.0",
        "software": "0.2.0",
        "label": "PNEUMONIA",
        "decision": decision,
        "suspended": suspended,
        "findings": f'{{"PNEUMONIA": ["{decision}", 0.9]}}',
        "reasons": "[]",
        "signals": "{}",
        "station": "ROOM 3",
        "device": "DX-9",
        "view": "AP",
        "age_group": "65+",
    }


def accept(**film):
    return Statement(FilmName(**film), "api", request=VerdictRequest(verdict="accept"))


def test_a_film_is_found_by_each_of_its_names_and_by_no_other(engine, clock) -> None:
    ledger = Ledger(engine, clock)
    ledger.keep(reading(ledger, "9.1"))
    ledger.keep(reading(ledger, "9.2"))

    assert len(ledger.judge(accept(sop_instance_uid="9.1"), FACTS)) == 1
    assert len(ledger.judge(accept(report_instance_uid="9.2.1"), FACTS)) == 1
    for name in ({"study_instance_uid": "1.2"}, {"accession_number": "A-1"}):
        assert [receipt.stored for receipt in ledger.judge(accept(**name), FACTS)] == ["known", "known"]
    for name in ({"sop_instance_uid": "1.2"}, {"study_instance_uid": "9.1"}, {"accession_number": "9.1"}):
        with pytest.raises(NotFoundError):
            ledger.judge(accept(**name), FACTS)


def test_films_count_in_the_order_of_their_first_verdict_with_the_truth_of_the_last(engine, clock) -> None:
    ledger = Ledger(engine, clock)
    for number in range(3):
        ledger.keep(reading(ledger, f"9.{number}", at=100.0 + number))
    for number in (2, 0, 1):
        clock.now += 1
        ledger.judge(accept(sop_instance_uid=f"9.{number}"), FACTS)
    reject = Statement(FilmName(sop_instance_uid="9.2"), "csv", request=VerdictRequest(verdict="reject"))
    ledger.judge(reject, FACTS)
    films = ledger.labelled([OURS], since=0)

    assert [film.analysed_at for film in films] == [102.0, 100.0, 101.0]
    assert [film.truth["PNEUMONIA"] for film in films] == ["absent", "present", "present"]
    assert [film.analysed_at for film in ledger.labelled([OURS], since=101.0)] == [102.0, 101.0]
    assert ledger.labelled([OTHER], since=0) == []


def test_a_film_that_is_read_again_by_the_same_bundle_is_kept_once(engine, clock) -> None:
    ledger = Ledger(engine, clock)
    ledger.keep(reading(ledger, "9.1"))
    ledger.keep(reading(ledger, "9.1", decision="negative"))
    ledger.keep(reading(ledger, "9.1", model=OTHER))

    assert (ledger.count([OURS], 0), ledger.count([OURS, OTHER], 0)) == (1, 2)
    assert ledger.rates([OURS], 0) == [("ROOM 3", "DX-9", "negative", "[]", 1)]


def test_what_the_audit_log_has_to_record_waits_until_it_is_recorded(engine, clock) -> None:
    ledger = Ledger(engine, clock)
    ledger.keep(reading(ledger, "9.1"))
    ledger.judge(accept(sop_instance_uid="9.1"), FACTS)
    ledger.judge(accept(sop_instance_uid="9.1"), FACTS)
    ((number, event, facts),) = Ledger(engine, clock).owed()
    ledger.settled(number)

    assert (event, facts["caller"], facts["truth"]) == ("verdict", FACTS["caller"], {"PNEUMONIA": "present"})
    assert ledger.owed() == []


def test_names_are_keyed_and_the_key_stays(engine, clock) -> None:
    first, again = Ledger(engine, clock).names, Ledger(engine, clock).names

    assert first.film("9.1") == again.film(" 9.1 ")
    assert len({first.film("9.1"), first.study("9.1"), first.accession("9.1"), first.report("9.1")}) == 4


def test_one_stop_is_in_force_until_it_is_lifted(engine, clock) -> None:
    stops = Stops(engine, clock)
    limit = StopLimit(figure="specificity", finding="PNEUMONIA", at_least=0.9)
    registered = stops.register(StopLimits(limits=(limit,)), "1" * 64)
    clock.now += 5
    assert stops.register(StopLimits(limits=(limit,)), "1" * 64) == registered
    stop = Suspension(
        since=datetime(2026, 1, 1, tzinfo=UTC),
        limit=limit,
        bundle="tiny/1.0.0",
        films=30,
        wrong=9,
        evidence=50,
        needed=20,
        reason="too many",
        limits_sha256="1" * 64,
    )
    assert stops.in_force() is None
    assert stops.suspend(stop) == stop
    assert stops.suspend(stop.model_copy(update={"wrong": 10})) == stop
    assert Stops(engine, clock).in_force() == stop
    stops.lift("found and mended", {"caller": "token:" + "x" * 300})

    assert stops.in_force() is None
    assert stops.last_lifted_at() == clock.now
    with pytest.raises(NotFoundError, match="not suspended"):
        stops.lift("found and mended", FACTS)
    assert [event for _, event, _ in Ledger(engine, clock).owed()] == ["limits", "suspended", "lifted"]
