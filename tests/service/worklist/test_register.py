"""Claims on disk: one row for each workitem, and one process at a time that works on it."""

import pytest

from service.dicomweb.tables import open_engine
from service.worklist.register import Register, metadata
from tests.service.dicomweb.conftest import Clock

LEASE_S = 60


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def engine(request, tmp_path):
    url = f"sqlite:///{tmp_path}/register.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    with open_engine(url, "CXR_WORKLIST_DATABASE_URL", metadata) as opened:
        yield opened


def test_a_workitem_is_begun_once_and_its_transaction_uid_stays(engine) -> None:
    register = Register(engine, LEASE_S, Clock())
    claim = register.begin("1.2")

    assert register.begin("1.2") is None
    assert [each.transaction_uid for each in register.due()] == [claim.transaction_uid]
    assert claim.transaction_uid.startswith("2.25.")


def test_a_lease_that_is_renewed_keeps_the_claim_and_one_that_is_not_loses_it(engine) -> None:
    clock = Clock()
    first, second = Register(engine, LEASE_S, clock), Register(engine, LEASE_S, clock)
    claim = first.begin("1.2")
    clock.now += LEASE_S - 1
    first.renew()
    clock.now += LEASE_S - 1
    assert second.take_over() == 0
    clock.now += 1

    assert second.take_over() == 1
    assert [each.transaction_uid for each in second.due()] == [claim.transaction_uid]
    assert first.due() == ()


def test_who_has_lost_a_claim_changes_nothing_any_more(engine) -> None:
    clock = Clock()
    first, second = Register(engine, LEASE_S, clock), Register(engine, LEASE_S, clock)
    claim = first.begin("1.2")
    clock.now += LEASE_S
    second.take_over()

    assert not first.move(claim, "ending", "{}")
    assert not first.postpone(claim, 1)
    first.forget(claim)
    assert [each.stage for each in second.due()] == ["claiming"]


def test_what_is_postponed_is_due_in_time_and_a_request_to_cancel_hurries(engine) -> None:
    clock = Clock()
    register = Register(engine, LEASE_S, clock)
    claim = register.begin("1.2")
    register.postpone(claim, 10, failed=True)
    assert register.due() == ()

    assert register.ask_to_cancel("1.2")
    assert not register.ask_to_cancel("1.3")
    (due,) = register.due()
    assert (due.cancel_asked, due.attempts) == (True, 1)
    assert register.count() == 1
