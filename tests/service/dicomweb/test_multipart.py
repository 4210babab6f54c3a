"""Rules of multipart/related bodies."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BodyTooLargeError, CxrError, MalformedRequestError, UnsupportedMediaTypeError
from service.dicomweb.multipart import boundary_of, read_parts, write_parts

TYPE = 'multipart/related; type="application/dicom"; boundary=b'


def read(body, content_type=TYPE, *, at_most=10, size=7):
    async def chunks():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(read_parts(chunks(), content_type, at_most=at_most))


def test_parts_are_read_whatever_the_chunks_and_the_frame_around_them() -> None:
    body = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--b\r\n\r\n\r\ntwo\r\n--b--\r\nepilogue"

    assert {read(body, size=size) for size in (1, 2, 5, 1000)} == {(b"one", b"\r\ntwo")}


@pytest.mark.clause("PS3.18 8.6.1.2", "multipart/related is read however its Content-Type is written")
@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type="application/dicom"; boundary="b"',
        "multipart/related; type=application/dicom; boundary=b",
        'Multipart/Related; boundary=b; type="Application/DICOM"',
        "multipart/related; boundary=b",
        'multipart/related; type="application/dicom"; start="x"; boundary="b"',
    ],
)
def test_the_declaration_is_read_as_the_standard_allows_it_to_be_written(content_type) -> None:
    assert read(b"--b\r\nContent-Type: application/dicom; transfer-syntax=*\r\n\r\none\r\n--b--", content_type) == (
        b"one",
    )


@pytest.mark.parametrize("content_type", ["", "application/dicom+json", "multipart/form-data; boundary=b", "nonsense"])
def test_another_media_type_is_refused(content_type) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        read(b"--b--", content_type)


@pytest.mark.parametrize(
    "boundary",
    ["", "; boundary=" + "b" * 257, "; boundary*=utf-8''%E2%82%AC", "; boundary*=undefined''b", "; boundary*=%00''b"],
)
def test_a_boundary_that_is_missing_or_unusable_is_refused(boundary) -> None:
    with pytest.raises(MalformedRequestError, match="boundary"):
        read(b"--b--", f"multipart/related{boundary}")


def test_a_part_of_another_media_type_is_refused() -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="a part"):
        read(b"--b\r\nContent-Type: application/dicom+json\r\n\r\n{}\r\n--b--")


def test_a_part_that_is_compressed_for_its_transport_is_refused() -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="Content-Encoding"):
        read(b"--b\r\nContent-Type: application/dicom\r\nContent-Encoding: gzip\r\n\r\none\r\n--b--")


@pytest.mark.parametrize(
    "body", [b"", b"film", b"--b", b"--b\r\n\r\nfilm", b"--b\r\n\r\nfilm\r\n--b", b"--b--", b"--c\r\n\r\nx\r\n--c--"]
)
def test_a_body_that_is_cut_off_or_empty_is_refused(body) -> None:
    with pytest.raises(MalformedRequestError):
        read(body)


def test_bounds_hold_while_the_body_arrives() -> None:
    body, content_type = write_parts([b"x" * 100] * 3)

    assert len(read(body, content_type, at_most=3)) == 3
    with pytest.raises(BodyTooLargeError, match="more than 2 instances"):
        read(body, content_type, at_most=2)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(1, 50))
def test_what_is_written_is_read_again(contents, size) -> None:
    body, content_type = write_parts(contents)

    assert read(body, content_type, size=size) == tuple(contents)


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=300))
def test_whatever_arrives_only_our_own_errors_leave(body) -> None:
    for framed in (body, b"--b" + body, b"--b\r\n" + body + b"\r\n--b--"):
        try:
            read(framed)
        except CxrError:
            continue


def test_what_a_mail_program_makes_is_read() -> None:
    head = b"Content-Type: multipart/related;\r\n boundary=b\r\nMIME-Version: 1.0\r\n\r\n"
    part = (
        b"--b  \r\nContent-Type:\r\n application/dicom;\r\n\ttransfer-syntax=*\r\nContent-Transfer-Encoding: base64\r\n"
    )

    assert read(head + part + b"\r\nb25l\r\n--b--\r\n") == (b"one",)


def test_a_long_declaration_is_read_in_linear_time() -> None:
    start = time.thread_time()
    with pytest.raises(MalformedRequestError):
        boundary_of("multipart/related" + "; a=b" * 60_000)

    assert time.thread_time() - start < 1  # quadratic time took 5 s of the event loop
