"""Rules of the table of commitments, on SQLite and PostgreSQL."""

import pytest
from sqlalchemy import func, select

from service.dicomweb.tables import open_database
from service.dimse.commitments import KEPT_S, Commitments, table


@pytest.fixture(params=["spool_url", pytest.param("postgresql_url", marks=pytest.mark.process)])
def engine(request):
    with open_database(request.getfixturevalue(request.param)) as database:
        yield database


def test_results_are_covered_once_each_was_committed_to_in_any_of_their_transactions(engine) -> None:
    commitments = Commitments(engine)
    commitments.ask("1.1", ["2.1", "2.2"])
    commitments.ask("1.2", ["2.1", "2.2"])

    assert commitments.note("1.1", ["2.1"]) == 1
    assert not commitments.cover(["2.1", "2.2"])
    assert commitments.note("1.2", ["2.2"]) == 1
    assert Commitments(engine).cover(["2.1", "2.2"])
    assert not commitments.cover(["2.1", "2.3"])


def test_what_nobody_asked_for_is_not_noted(engine) -> None:
    commitments = Commitments(engine)
    commitments.ask("1.1", ["2.1"])

    assert commitments.note("1.9", ["2.1"]) == 0
    assert commitments.note("1.1", ["2.9"]) == 0
    assert commitments.note("1.1", []) == 0
    assert not commitments.cover(["2.1"])


def test_transactions_of_long_ago_are_forgotten(engine) -> None:
    now = [1000.0]
    commitments = Commitments(engine, lambda: now[0])
    commitments.ask("1.1", ["2.1"])
    now[0] += KEPT_S + 1
    commitments.ask("1.2", ["2.2"])
    with engine.begin() as connection:
        rows = connection.scalar(select(func.count()).select_from(table))

    assert rows == 1
