"""Rules of an archive that speaks DIMSE, spoken over loopback."""

import threading

import pytest

from schemas.errors import PacsRefusedError, PacsUnreachableError, SettingsError
from service.dicomweb.tables import open_database
from service.dimse import archive as module
from service.dimse.archive import open_archive, open_dimse
from service.dimse.calling import Line
from service.dimse.commitments import Commitments
from service.dimse.tls import calling_context
from tests.service.chosen import settings_of
from tests.service.dicomweb.archive import FakeArchive
from tests.service.dicomweb.films import STUDY, film, uid
from tests.service.dimse.pacs import DimseArchive
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

OBJECTS = {uid(name): film(name) for name in ("first", "second", "third")}
ONCE = dict.fromkeys(OBJECTS, 1)


@pytest.fixture
def start():
    started = []

    def one(**options):
        started.append(DimseArchive(**options))
        return started[-1]

    yield one
    for each in started:
        each.close()


@pytest.fixture
def engine(spool_url):
    with open_database(spool_url) as database:
        yield database


def opened(pacs, engine, **more):
    settings = settings_of(dicomweb=True, pacs_dimse=pacs.peer, pacs_timeout_s=5, **more)
    return open_archive(settings.dimse, settings.pacs, engine)


@pytest.mark.clause("PS3.4 C.6.2", "Study Root Query/Retrieve FIND as SCU at level IMAGE")
async def test_what_an_archive_has_is_not_sent_again(start, engine) -> None:
    pacs = start()
    async with opened(pacs, engine) as archive:
        first = await archive.bring(STUDY, OBJECTS)
        again = await archive.bring(STUDY, OBJECTS)

    assert (first, again) == (True, False)
    assert pacs.stored == ONCE


async def test_an_archive_without_a_search_gets_the_same_instances_again(start, engine) -> None:
    pacs = start(finds=False)
    async with opened(pacs, engine) as archive:
        assert await archive.bring(STUDY, OBJECTS)
        assert await archive.bring(STUDY, OBJECTS)

    assert pacs.stored == dict.fromkeys(OBJECTS, 2)


@pytest.mark.clause("PS3.4 B.2.3", "warnings and 0111 of an archive count as stored")
@pytest.mark.parametrize("status", [0x0111, 0xB000, 0xB006, 0xB007])
async def test_a_duplicate_and_a_warning_count_as_stored(start, engine, status) -> None:
    pacs = start()
    pacs.statuses = [status] * 3
    async with opened(pacs, engine) as archive:
        assert await archive.bring(STUDY, OBJECTS)


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0x0110])
async def test_what_may_pass_is_tried_again_and_only_the_rest_is_sent(start, engine, status) -> None:
    pacs = start()
    pacs.statuses = [0, status]
    async with opened(pacs, engine) as archive:
        with pytest.raises(PacsUnreachableError, match=f"{status:04X}"):
            await archive.bring(STUDY, OBJECTS)
        assert await archive.bring(STUDY, OBJECTS)

    assert pacs.stored == ONCE


@pytest.mark.parametrize("statuses", [[0xC000], [0xA900], [0x0124], [0xA700, 0xC001]])
async def test_what_will_not_pass_is_refused_for_good(start, engine, statuses) -> None:
    pacs = start()
    pacs.statuses = list(statuses)
    async with opened(pacs, engine) as archive:
        with pytest.raises(PacsRefusedError, match=f"{statuses[-1]:04X}"):
            await archive.bring(STUDY, OBJECTS)


async def test_an_archive_that_is_away_is_unreachable_and_no_uid_is_told(start, engine) -> None:
    pacs = start()
    pacs.close()
    async with opened(pacs, engine) as archive:
        with pytest.raises(PacsUnreachableError, match="nothing listens") as failure:
            await archive.bring(STUDY, OBJECTS)

    assert STUDY not in str(failure.value)


async def test_an_archive_that_does_not_know_the_title_is_tried_again(start, engine) -> None:
    pacs = start()
    pacs._server.ae.require_calling_aet = ["OTHER"]
    async with opened(pacs, engine) as archive:
        with pytest.raises(PacsUnreachableError, match=r"rejected the association \(source 1, reason 3"):
            await archive.bring(STUDY, OBJECTS)


async def test_an_archive_that_hangs_holds_a_delivery_for_its_time_alone(start, engine) -> None:
    pacs = start()
    pacs.may_answer.clear()
    settings = settings_of(dicomweb=True, pacs_dimse=pacs.peer, pacs_timeout_s=1)
    async with open_archive(settings.dimse, settings.pacs, engine) as archive:
        with pytest.raises(PacsUnreachableError):
            await archive.bring(STUDY, OBJECTS)
        pacs.may_answer.set()
        assert await archive.bring(STUDY, OBJECTS)

    assert pacs.stored == ONCE


@pytest.mark.clause("PS3.4 J.3", "Storage Commitment Push Model as SCU")
async def test_results_count_as_delivered_once_the_archive_has_committed_to_them(start, engine) -> None:
    pacs = start(commits="same")
    async with opened(pacs, engine, pacs_commit=True) as archive:
        assert await archive.bring(STUDY, OBJECTS)
        assert not await archive.bring(STUDY, OBJECTS)
    (request,) = pacs.requests

    wait_until(lambda: pacs.reported == [0], "the archive has its answer")
    assert {item.ReferencedSOPInstanceUID for item in request.ReferencedSOPSequence} == set(OBJECTS)
    assert pacs.stored == ONCE


class FarCommitments(Commitments):
    """In a database whose answer takes a while to come back."""

    def note(self, transaction_uid, committed) -> None:
        super().note(transaction_uid, committed)
        threading.Event().wait(0.5)


async def test_an_archives_answer_is_answered_before_its_association_is_released(start, engine) -> None:
    pacs = start(commits="same")
    settings = settings_of(dicomweb=True, pacs_dimse=pacs.peer, pacs_timeout_s=5)
    line = Line("CXR", pacs.peer, settings.pacs.timeout_s, calling_context(settings.pacs))
    async with open_dimse(line, FarCommitments(engine)) as archive:
        assert await archive.bring(STUDY, OBJECTS)

    wait_until(lambda: pacs.reported, "the archive has the answer to its answer")
    assert pacs.reported == [0]


@pytest.mark.parametrize("commits", ["same", "never"])
async def test_without_its_commitment_it_is_asked_again_and_nothing_is_sent_twice(
    start, engine, monkeypatch, commits
) -> None:
    monkeypatch.setattr(module, "COMMITMENT_S", 0.6)
    pacs = start(commits=commits)
    pacs.failing = True
    async with opened(pacs, engine, pacs_commit=True) as archive:
        for _ in range(2):
            with pytest.raises(PacsUnreachableError, match="has not committed"):
                await archive.bring(STUDY, OBJECTS)
        first, second = pacs.requests
        Commitments(engine).note(first.TransactionUID, list(OBJECTS))  # it comes late, by the other process
        assert not await archive.bring(STUDY, OBJECTS)

    assert first.TransactionUID != second.TransactionUID
    assert pacs.stored == ONCE


async def test_an_archive_without_storage_commitment_is_named(start, engine) -> None:
    pacs = start()
    async with opened(pacs, engine, pacs_commit=True) as archive:
        with pytest.raises(PacsUnreachableError, match="switch CXR_PACS_COMMIT off"):
            await archive.bring(STUDY, OBJECTS)


async def test_a_dicomweb_address_is_spoken_to_by_dicomweb_and_none_not_at_all(engine) -> None:
    web = FakeArchive()
    settings = settings_of(dicomweb=True, pacs_url=web.url)
    async with open_archive(settings.dimse, settings.pacs, engine) as archive:
        assert await archive.bring(STUDY, OBJECTS)
    async with open_archive(settings.dimse, settings_of().pacs, engine) as nowhere:
        assert nowhere is None
    web.close()

    assert web.stored == ONCE


def test_certificates_that_cannot_be_read_stop_the_start(start, engine, tmp_path) -> None:
    with pytest.raises(SettingsError, match="CXR_PACS_CA_FILE"):
        opened(start(), engine, pacs_tls=True, pacs_ca_file=tmp_path / "none")
