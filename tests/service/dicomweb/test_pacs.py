"""Rules of the client of the PACS, spoken to over HTTP on loopback."""

import base64

import pytest

from schemas.errors import PacsRefusedError, PacsUnreachableError, SettingsError
from service.dicomweb.pacs import open_pacs
from service.settings import PacsSettings
from tests.service.chosen import settings_of
from tests.service.dicomweb.archive import FakeArchive
from tests.service.dicomweb.films import STUDY, film, uid

pytestmark = pytest.mark.anyio


UNSAID = {}
"""An item of a failure sequence without a reason."""


def failed(*reasons, sequence="00081198"):
    """The answer of an archive that refused instances; a reason is a number, or the item itself."""
    items = [{"00081197": {"vr": "US", "Value": [reason]}} if isinstance(reason, int) else reason for reason in reasons]
    return {sequence: {"vr": "SQ", "Value": items}}


def others(*reasons):
    return failed(*reasons, sequence="0008119A")


def referenced(*names):
    return {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid(name)]}} for name in names]}}


def settings(archive, **more):
    return settings_of(dicomweb=True, pacs_url=archive.url, **more).pacs


@pytest.mark.clause("PS3.18 10.6", "instances are searched for by QIDO-RS before they are sent")
@pytest.mark.clause("PS3.18 10.5", "results are stored by STOW-RS")
async def test_what_was_stored_is_found_again_and_what_was_not_is_not(archive) -> None:
    async with open_pacs(settings(archive)) as pacs:
        before = await pacs.has(STUDY, uid("film"))
        await pacs.store([film(), film("another")])

        assert not before
        assert await pacs.has(STUDY, uid("film"))
    assert archive.stored == {uid("film"): 1, uid("another"): 1}
    assert archive.requests[0][1] == f"/dicom-web/studies/{STUDY}/instances?SOPInstanceUID={uid('film')}"
    assert [request[1] for request in archive.requests if request[0] == "POST"] == ["/dicom-web/studies"]


async def test_an_archive_that_answers_all_instances_of_the_study_has_only_those_that_it_names(archive) -> None:
    archive.knows_filter = False
    async with open_pacs(settings(archive)) as pacs:
        await pacs.store([film()])

        assert await pacs.has(STUDY, uid("film"))
        assert not await pacs.has(STUDY, uid("another"))


async def test_an_archive_without_a_search_gets_the_instances(archive) -> None:
    archive.has_search = False
    async with open_pacs(settings(archive)) as pacs:
        assert not await pacs.has(STUDY, uid("film"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, failed(0x0111)),
        (202, failed(0x0111, 0x0111)),
        (409, failed(0x0111)),
        (200, None),
        (204, None),
        (202, referenced("film")),
        (200, failed()),
    ],
)
async def test_what_the_archive_has_already_counts_as_stored(archive, status, body) -> None:
    archive.answers = [(status, body)]
    async with open_pacs(settings(archive)) as pacs:
        await pacs.store([film()])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (503, {}),
        (401, {}),
        (302, {}),
        (200, failed(0xA700)),
        (409, failed(0xA702, 0x0110)),
        (202, failed(0x0110)),
        (200, failed(UNSAID)),
        (200, failed(0xA700, UNSAID)),
        (200, failed({"00081197": {"vr": "US", "Value": ["none"]}})),
        (200, failed("no item")),
        (200, others(0xA700)),
        (200, failed(0x0111) | others(UNSAID)),
        (202, None),
        (202, {}),
        (202, []),
    ],
)
async def test_what_may_pass_is_tried_again(archive, status, body) -> None:
    archive.answers = [(status, body)]
    async with open_pacs(settings(archive)) as pacs:
        with pytest.raises(PacsUnreachableError, match=f"status {status}"):
            await pacs.store([film()])


@pytest.mark.clause("PS3.18 I.2", "failure reasons of an archive that are final make a dead letter")
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {}),
        (409, {}),
        (413, {}),
        (415, {}),
        (409, failed(0x0122)),
        (202, failed(0xA700, 0xC000)),
        (200, failed(0xA900)),
        (200, others(0xC000)),
        (202, failed(UNSAID, 0xC000) | referenced("film")),
        (409, failed(UNSAID)),
    ],
)
async def test_what_will_not_pass_is_refused_for_good(archive, status, body) -> None:
    archive.answers = [(status, body)]
    async with open_pacs(settings(archive)) as pacs:
        with pytest.raises(PacsRefusedError, match=f"status {status}"):
            await pacs.store([film()])


@pytest.mark.parametrize(
    ("status", "body"),
    [(202, referenced("film")), (200, failed(0x0111)), (202, failed(0x0111)), (409, failed(0x0111))],
)
async def test_an_instance_that_the_answer_does_not_name_is_asked_for_again(archive, status, body) -> None:
    archive.answers = [(status, body)]
    async with open_pacs(settings(archive)) as pacs:
        with pytest.raises(PacsUnreachableError, match=f"status {status}"):
            await pacs.store([film(), film("another")])


@pytest.mark.parametrize(
    ("media_type", "status", "body"),
    [
        ("application/dicom+xml", 202, referenced("film")),
        ("application/json", 200, failed(0xA700)),
        ("Application/DICOM+JSON; charset=utf-8", 200, failed(0xA700)),
    ],
)
async def test_failures_are_not_missed_for_the_media_type_of_the_answer(archive, media_type, status, body) -> None:
    archive.media_type = media_type
    archive.answers = [(status, body)]
    async with open_pacs(settings(archive)) as pacs:
        with pytest.raises(PacsUnreachableError, match=f"status {status}"):
            await pacs.store([film()])


async def test_an_archive_that_is_away_is_unreachable_and_no_uid_is_told() -> None:
    gone = FakeArchive()
    gone.close()
    async with open_pacs(settings(gone)) as pacs:
        with pytest.raises(PacsUnreachableError) as failure:
            await pacs.has(STUDY, uid("film"))

    assert STUDY not in str(failure.value)
    assert "nothing listens at its address; check CXR_PACS_URL" in str(failure.value)


async def test_credentials_are_read_at_every_request(archive, tmp_path) -> None:
    token = tmp_path / "token"
    login = tmp_path / "login"
    token.write_text("first\n")
    login.write_text("service:pass word\n")
    async with open_pacs(settings(archive, pacs_token_file=token)) as pacs:
        await pacs.has(STUDY, uid("film"))
        token.write_text("second\n")
        await pacs.has(STUDY, uid("film"))
    async with open_pacs(settings(archive, pacs_login_file=login)) as pacs:
        await pacs.has(STUDY, uid("film"))

    sent = [headers["authorization"] for _, _, headers in map(lower, archive.requests)]
    assert sent == ["Bearer first", "Bearer second", f"Basic {base64.b64encode(b'service:pass word').decode()}"]


def lower(request):
    method, address, headers = request
    return method, address, {name.lower(): value for name, value in headers.items()}


async def test_credentials_that_cannot_be_read_hold_the_delivery_back(archive, tmp_path) -> None:
    async with open_pacs(settings(archive, pacs_token_file=tmp_path / "none")) as pacs:
        with pytest.raises(PacsUnreachableError, match="credentials"):
            await pacs.store([film()])

    assert archive.requests == []


async def test_certificates_that_cannot_be_read_stop_the_start(archive, tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(SettingsError, match="CXR_PACS_CA_FILE"):
            async with open_pacs(settings(archive, pacs_ca_file=tmp_path / name)):
                pass


async def test_without_an_address_there_is_no_archive() -> None:
    async with open_pacs(PacsSettings()) as pacs:
        assert pacs is None


@pytest.mark.parametrize("url", ["ftp://pacs", "http://user:secret@pacs/dicom-web", "pacs:8042"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url) -> None:
    with pytest.raises(ValueError, match="must be http://HOST/PATH or https://HOST/PATH, without a login"):
        settings_of(dicomweb=True, pacs_url=url)


def test_two_kinds_of_credentials_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="set one of them"):
        settings_of(pacs_token_file=tmp_path, pacs_login_file=tmp_path)


def test_a_pacs_without_dicomweb_is_refused() -> None:
    with pytest.raises(ValueError, match="CXR_DICOMWEB=true"):
        settings_of(pacs_url="http://pacs/dicom-web")
