"""Rules of TLS towards a counterpart that demands a certificate, with a real server."""

import shutil

import pytest

from schemas.errors import DestinationRefusedError, DestinationUnreachableError, SettingsError
from service.outgoing.counterpart import Counterpart
from service.outgoing.line import LineOptions, open_line
from service.outgoing.tls import ClientTls
from tests.service.dimse.certificates import Authority

pytestmark = pytest.mark.anyio

PEER = Counterpart("destination ris", DestinationUnreachableError, DestinationRefusedError)


def options(authority, pair=(None, None)):
    return LineOptions(PEER, 10, ca_file=authority.file, cert_file=pair[0], key_file=pair[1])


async def test_a_server_that_demands_a_certificate_is_shown_ours(authority, demanding) -> None:
    async with open_line(options(authority, authority.vouch("cxr"))) as line:
        answer = await line.ask("POST", demanding.url, {}, content=b"x")

    assert (answer.status_code, demanding.received[0].body) == (200, b"x")


async def test_without_a_certificate_nothing_arrives(authority, demanding) -> None:
    async with open_line(options(authority)) as line:
        with pytest.raises(
            DestinationUnreachableError, match="destination ris gave no answer: "
        ):  # by TLS 1.3 or a reset
            await line.ask("GET", demanding.url, {})

    assert demanding.received == []


async def test_a_server_that_nobody_vouches_for_is_sent_nothing(authority, demanding, tmp_path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    async with open_line(options(other, authority.vouch("cxr"))) as line:
        with pytest.raises(DestinationUnreachableError, match="its certificate is not trusted; give ca_file"):
            await line.ask("POST", demanding.url, {}, content=b"x")

    assert demanding.received == []


async def test_a_certificate_that_was_renewed_is_shown_without_a_restart(
    authority, demanding, tmp_path, logged
) -> None:
    (tmp_path / "other").mkdir()
    pair = Authority(tmp_path / "other", "other").vouch("cxr")  # which the server does not accept
    async with open_line(options(authority, pair)) as line:
        with pytest.raises(DestinationUnreachableError):
            await line.ask("GET", demanding.url, {})
        for new, old in zip(authority.vouch("renewed"), pair, strict=True):
            shutil.copy(new, old)
        answer = await line.ask("GET", demanding.url, {})

    assert answer.status_code == 200
    assert [event["event"] for event in logged if "certificates" in event["event"]] == ["certificates_reloaded"]


async def test_half_a_pair_is_refused_once_and_what_was_loaded_stays(authority, demanding, logged) -> None:
    certificate, key = authority.vouch("cxr")
    async with open_line(options(authority, (certificate, key))) as line:
        shutil.copy(authority.vouch("renewed")[0], certificate)
        first = await line.ask("GET", demanding.url, {})
        second = await line.ask("GET", demanding.url, {})

    assert (first.status_code, second.status_code) == (200, 200)
    assert [event["event"] for event in logged if "certificates" in event["event"]] == ["certificates_refused"]


def test_files_that_are_no_certificates_stop_the_start(tmp_path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")

    with pytest.raises(SettingsError, match="CXR_PACS_CA_FILE holds no certificates"):
        ClientTls(empty, None, None, "CXR_PACS_")
    with pytest.raises(SettingsError, match="CXR_PACS_TLS_CERT_FILE and its key cannot be used"):
        ClientTls(None, empty, empty, "CXR_PACS_")
