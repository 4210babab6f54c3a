"""Rules of the lists of films, on SQLite and, where it can be started, on PostgreSQL."""

from datetime import UTC, datetime

import pytest

from imaging.limits import DecodeLimits
from schemas.errors import InvalidParameterError
from schemas.results import Cursor, ResultQuery
from service.dicomweb.instance import read_instance
from service.dicomweb.ledger import Ledger
from service.dicomweb.spool import Spool
from tests.service.dicomweb.films import STUDY, film, uid

MODEL = "a" * 64
NAMES = [str(number) for number in range(7)]


@pytest.fixture
def spool(each_database, clock):
    return Spool(each_database, capacity=30, clock=clock)


@pytest.fixture
def ledger(each_database, clock):
    return Ledger(each_database, retention_s=3600, clock=clock)


def store(spool, clock, *names, **attributes) -> None:
    for name in names:
        spool.store(read_instance(film(name, **attributes), DecodeLimits()), "routine", MODEL)
        clock.now += 1


def analyse_next(spool, decision) -> None:
    record = f'{{"prediction": {{"decision": "{decision}"}}}}'
    assert spool.analysed(spool.claim("received"), model_sha256=MODEL, record=record, objects={"1.2.3": b"sr"})


def names(page):
    known = {uid(name): name for name in NAMES}
    return [known[summary.sop_instance_uid] for summary in page.results]


def pages(ledger, between=lambda: None, **asked):
    """All pages, following their cursors; `between` runs after each."""
    after = None
    while True:
        page = ledger.list(ResultQuery(**asked, after=after))
        yield names(page)
        if page.next is None:
            return
        after = Cursor.of_text(page.next)
        between()


@pytest.mark.parametrize("order", ["changed", "received"])
def test_pages_hold_every_film_once_the_latest_first(spool, ledger, clock, order) -> None:
    store(spool, clock, *NAMES)

    assert list(pages(ledger, order=order, limit=3)) == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert list(pages(ledger, order=order, limit=7)) == [NAMES[::-1]]


def test_films_of_one_moment_are_on_one_page_each(spool, ledger, clock) -> None:
    for name in NAMES:
        store(spool, clock, name)
        clock.now -= 1

    shown = [name for page in pages(ledger, limit=2) for name in page]
    assert sorted(shown) == NAMES


def test_by_arrival_each_film_is_on_one_page_whatever_changes_or_arrives_meanwhile(spool, ledger, clock) -> None:
    store(spool, clock, *NAMES[:6])

    def disturb() -> None:
        analyse_next(spool, "positive")
        clock.now += 1

    def arrive_and_disturb() -> None:
        store(spool, clock, "6")
        disturb()

    assert list(pages(ledger, arrive_and_disturb, order="received", limit=2)) == [["5", "4"], ["3", "2"], ["1", "0"]]


def test_by_change_what_changes_meanwhile_is_found_since_the_first_page(spool, ledger, clock) -> None:
    store(spool, clock, *NAMES)
    began = datetime.fromtimestamp(clock.now, UTC)

    def disturb() -> None:
        analyse_next(spool, "positive")

    shown = {name for page in pages(ledger, disturb, limit=2) for name in page}
    later = set(names(ledger.list(ResultQuery(since=began))))

    assert later == {"0", "1"}
    assert shown | later == set(NAMES)


def test_each_filter_lets_through_what_it_names(spool, ledger, clock) -> None:
    store(spool, clock, *NAMES[:3])
    store(spool, clock, "3", StudyInstanceUID="1.2.840.99.7")
    for decision in ("positive", "negative", "positive"):
        analyse_next(spool, decision)
    spool.refused(spool.claim("received"), "invalid_image", "no pixels")

    def listed(**asked):
        return sorted(names(ledger.list(ResultQuery(**asked))))

    moments = [datetime.fromtimestamp(1_000_000 + second, UTC) for second in (1, 3)]
    assert listed(decision="positive") == ["0", "2"]
    assert listed(decision="abstain") == []
    assert listed(study=STUDY) == ["0", "1", "2"]
    assert listed(study="1.2.840.99.7", state="refused", problem="invalid_image") == ["3"]
    assert listed(problem="pacs_refused") == []
    assert listed(order="received", since=moments[0], until=moments[1]) == ["1", "2"]
    assert listed(state="analysed", decision="negative") == ["1"]


@pytest.mark.parametrize("text", ["", "x", "e30", "Jane^Doe", "eyJvcmRlciI6ICJieSBuYW1lIn0", "é"])
def test_what_is_no_cursor_is_refused(text) -> None:
    with pytest.raises(InvalidParameterError, match="cursor"):
        Cursor.of_text(text)
