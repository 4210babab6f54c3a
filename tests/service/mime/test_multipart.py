"""Rules of multipart bodies, whatever they hold."""

import asyncio
import time
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import MalformedRequestError
from service.mime.multipart import MultipartReader, read_multipart

FILM = bytes(range(256)) * 5
PIECES = st.lists(
    st.sampled_from((b"--b", b"\r\n", b"\n", b"\r", b" ", b"--", b"-", b"x", b"A: b", b":", b"--b\r\n\r\n"))
)


def read(body, size=7, *, boundary="b"):
    async def chunks():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(read_multipart(chunks(), boundary, lambda _: True))


def contents(body, size=7):
    return [content for _, content in read(body, size)]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"This is a message in MIME format.\r\nIgnore it.\r\n--b\r\n\r\nfilm\r\n--b--",
        b"a line like --b and one like\r\n--boundary\r\n--b\r\n\r\nfilm\r\n--b--",
        b"--b \t \r\n\r\nfilm\r\n--b  \r\n\r\nnext\r\n--b-- \r\n",
        b"--b\n\nfilm\n--b\n\nnext\n--b--\n",
        b"--b\r\nA: b\r\n\tc\r\n  d\r\nE: f\r\n\r\nfilm\r\n--b--",
        b"--b\r\n\r\nfilm\r\n--b--epilogue\r\n--b\r\n\r\nnot a part",
    ],
)
def test_a_body_is_read_as_the_standard_lets_it_be_written(body, size) -> None:
    assert contents(body, size)[0] == b"film"


def test_folded_headers_are_one_line_with_blanks() -> None:
    ((headers, _),) = read(b"--b\r\nContent-Disposition: form-data;\r\n name=file;\r\n\tfilename=x\r\n\r\n\r\n--b--")

    assert headers == {"content-disposition": "form-data; name=file; filename=x"}


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_film_that_ends_with_a_line_break_keeps_it(size) -> None:
    assert contents(b"--b\r\n\r\nfilm\r\n\r\n--b--", size) == [b"film\r\n"]
    assert contents(b"--b\n\nfilm\r\n--b--", size) == [b"film\r"]
    assert contents(b"--b\r\n\r\n\r\n--b\r\n\r\n--b--", size) == [b"", b""]


@pytest.mark.parametrize("size", [1, 64, 100_000])
def test_what_begins_like_a_boundary_is_content(size) -> None:
    film = b"\r\n--" + b"\r\n--b" + b"x\r\n--b" + b" " * 2000 + b"\r\n--b\r--b-\r\r\n-" + FILM

    assert contents(b"--b\r\n\r\n" + film + b"\r\n--b--", size) == [film]


def outcome(body, size):
    try:
        return read(body, size)
    except MalformedRequestError as error:
        return str(error)


@given(PIECES.map(b"".join), st.integers(1, 9))
def test_a_body_is_read_alike_however_it_is_cut(body, size) -> None:
    assert outcome(body, size) == outcome(body, 10_000)


@pytest.mark.parametrize("policy", [None, HTTP])
def test_a_message_of_the_standard_library_is_read_with_its_own_headers_as_preamble(policy) -> None:
    message = MIMEMultipart("related", boundary="b")
    message.attach(MIMEApplication(FILM, "dicom", name="a film whose name is so long that the header is folded" * 2))
    body = message.as_bytes() if policy is None else message.as_bytes(policy=policy)

    ((headers, content),) = read(body)
    assert content == FILM
    assert headers["content-type"].startswith("application/dicom")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--", "base64 is broken"),
        (b"--b\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n!\r\n--b--", "neither binary nor base64"),
        (b"--b\r\nno colon\r\n\r\nfilm\r\n--b--", "without a colon"),
        (b"--b\r\nA: " + b"x" * 20_000 + b"\r\n\r\nfilm\r\n--b--", "over 16384 bytes"),
        (b"--b\r\n\r\nfilm\r\n--b", "ends before"),
        (b"no boundary", "ends before"),
        (b"--b\r\n\r\n" + b"\n--bx" * 10_001 + b"\r\n--b--", "occurs in its contents"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(body, reason) -> None:
    with pytest.raises(MalformedRequestError, match=reason):
        read(body)


@pytest.mark.parametrize("unit", [b"\r", b"\n", b"\n--", b"\n--b", b"\n--b ", b" ", b"a: b\r\n", b"\n--b\r\n\r\n"])
def test_a_hostile_body_is_read_in_linear_time(unit) -> None:
    chunk = (unit * 70_000)[:65_536]
    reader = MultipartReader("b", lambda _: False)
    reader.write(b"--b\r\n\r\n")
    start = time.thread_time()
    try:
        for _ in range(16):
            reader.write(chunk)
    except MalformedRequestError:
        pass

    assert time.thread_time() - start < 1  # of 1 MiB; a piece of 64 KiB far under the 250 ms of the event loop
