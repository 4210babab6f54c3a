"""Rules of one request to a counterpart, here the PACS: what a header carries, and what an answer may be."""

import gzip
import ssl

import httpx2
import pytest

from schemas.errors import PacsUnreachableError, SettingsError
from service.dicomweb.pacs import THE_PACS, open_pacs
from service.outgoing.asking import LARGEST_ANSWER_BYTES, ask
from tests.service.chosen import settings_of
from tests.service.dicomweb.films import STUDY, film, uid

pytestmark = pytest.mark.anyio

BOM = "\ufeff"


def settings(archive, **more):
    return settings_of(dicomweb=True, pacs_url=archive.url, **more).pacs


def written(tmp_path, content):
    path = tmp_path / "secret"
    path.write_bytes(content)
    return path


async def authorization(archive, **more):
    async with open_pacs(settings(archive, **more)) as pacs:
        await pacs.has(STUDY, uid("film"))
    return archive.requests[-1][2]["Authorization"]


@pytest.mark.parametrize("content", [b"a.b-c_d~e+f/g==", b"\xef\xbb\xbfa.b-c_d~e+f/g==\r\n", b"  a.b-c_d~e+f/g==\n\n"])
async def test_a_token_is_sent_as_it_is_however_an_editor_saved_it(archive, tmp_path, content) -> None:
    assert await authorization(archive, pacs_token_file=written(tmp_path, content)) == "Bearer a.b-c_d~e+f/g=="


@pytest.mark.parametrize(
    ("setting", "content", "reason"),
    [
        ("pacs_token_file", "schl\u00fcssel".encode(), "outside ASCII"),
        ("pacs_token_file", "schl\u00fcssel".encode("latin-1"), "outside ASCII"),
        ("pacs_token_file", b"", "holds no token"),
        ("pacs_token_file", b"a b", "a blank"),
        ("pacs_token_file", b"a\nb", "a line break"),
        ("pacs_token_file", "token".encode("utf-16"), "UTF-16"),
        ("pacs_login_file", "a:b".encode("utf-16"), "UTF-16"),
        ("pacs_login_file", b"no colon", "user:password"),
        ("pacs_login_file", b"user:pass\nsecond line", "one line"),
        ("pacs_login_file", b"user:pa\0ss", "control characters"),
    ],
)
async def test_what_no_header_carries_stops_the_start(archive, tmp_path, setting, content, reason) -> None:
    with pytest.raises(SettingsError, match=reason) as refusal:
        async with open_pacs(settings(archive, **{setting: written(tmp_path, content)})):
            pass

    assert f"CXR_{setting.upper()}" in str(refusal.value)


async def test_a_token_that_turns_bad_holds_the_delivery_back_with_its_reason(archive, tmp_path) -> None:
    token = written(tmp_path, b"good")
    async with open_pacs(settings(archive, pacs_token_file=token)) as pacs:
        token.write_text("schl\u00fcssel")
        with pytest.raises(PacsUnreachableError, match="outside ASCII"):
            await pacs.store([film()])


@pytest.mark.parametrize("saved_in", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize(
    ("expected", "challenge"), [("utf-8", 'Basic realm="pacs", charset="UTF-8"'), ("latin-1", "Basic")]
)
async def test_a_login_with_an_accent_is_sent_as_the_pacs_reads_it(
    archive, tmp_path, saved_in, expected, challenge
) -> None:
    archive.login = "andr\u00e9:pass w\u00f6rd".encode(expected)
    archive.more_headers = {"WWW-Authenticate": challenge}
    login = written(tmp_path, "andr\u00e9:pass w\u00f6rd\n".encode(saved_in))
    async with open_pacs(settings(archive, pacs_login_file=login)) as pacs:
        assert not await pacs.has(STUDY, uid("film"))


async def test_a_login_that_is_refused_in_utf_8_is_not_tried_in_latin_1_where_the_pacs_names_utf_8(
    archive, tmp_path
) -> None:
    archive.login = b"another:one"
    archive.more_headers = {"WWW-Authenticate": 'Basic realm="pacs", charset="UTF-8"'}
    async with open_pacs(settings(archive, pacs_login_file=written(tmp_path, "a:\u00e9".encode()))) as pacs:
        with pytest.raises(PacsUnreachableError, match="status 401"):
            await pacs.has(STUDY, uid("film"))

    assert len(archive.requests) == 1


async def test_an_answer_that_unpacks_to_gigabytes_is_not_unpacked(archive) -> None:
    archive.more_headers = {"Content-Encoding": "gzip"}
    archive.answers = [(200, gzip.compress(gzip.compress(bytes(10**7))))]
    async with open_pacs(settings(archive)) as pacs:
        with pytest.raises(PacsUnreachableError, match="compressed its answer"):
            await pacs.store([film()])

    assert archive.requests[0][2]["Accept-Encoding"] == "identity"


async def test_an_answer_has_a_largest_size(archive) -> None:
    archive.answers = [(200, b" " * (LARGEST_ANSWER_BYTES + 1)), (200, b" " * (LARGEST_ANSWER_BYTES - 2) + b"{}")]
    async with open_pacs(settings(archive)) as pacs:
        with pytest.raises(PacsUnreachableError, match=f"over {LARGEST_ANSWER_BYTES} bytes"):
            await pacs.store([film()])
        await pacs.store([film()])


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (caused(httpx2.ConnectError("x"), ConnectionRefusedError()), "nothing listens at its address"),
        (caused(httpx2.ConnectError("x"), ssl.SSLCertVerificationError()), "give CXR_PACS_CA_FILE the certificates"),
        (caused(httpx2.ConnectError("x"), ssl.SSLError()), "check https and the port"),
        (httpx2.ConnectError("x"), "no connection to its address; check CXR_PACS_URL"),
        (httpx2.ConnectTimeout("x"), "no connection within CXR_PACS_TIMEOUT_S"),
        (httpx2.ReadTimeout("x"), "it did not answer within CXR_PACS_TIMEOUT_S"),
        (httpx2.RemoteProtocolError("x"), "it ended the connection without an answer in HTTP"),
        (httpx2.ReadError("x"), "the connection broke"),
        (httpx2.ProxyError("http://user:secret@proxy"), "the proxy does not lead to it; check HTTPS_PROXY"),
        (httpx2.TooManyRedirects("http://user:secret@pacs"), "the request failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_pacs_without_an_answer_is_described_in_words_and_nothing_of_the_address_is_quoted(
    error, reason
) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(fail)) as client:
        with pytest.raises(PacsUnreachableError) as failure:
            await ask(client, THE_PACS, "GET", f"http://pacs/studies/{STUDY}")

    assert str(failure.value).startswith("the PACS gave no answer: ")
    assert reason in str(failure.value)
    assert str(failure.value).endswith("; the delivery is tried again")
    for part in (STUDY, "secret", "Error", "Timeout("):
        assert part not in str(failure.value)
