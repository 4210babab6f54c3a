"""Bodies of `multipart/related; type="application/dicom"`: read with bounds, and written.

Source: RFC 2387 (multipart/related), RFC 2046 5.1 (boundaries), DICOM PS3.18 8.6.1.2.
"""

import uuid
from collections.abc import AsyncIterable, Sequence
from email.message import Message
from typing import TYPE_CHECKING, Final, Never

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from schemas.errors import BodyTooLargeError, MalformedRequestError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # the package defines it for type checkers alone

DICOM: Final = "application/dicom"
_RELATED: Final = "multipart/related"


def boundary_of(content_type: str) -> str:
    """The boundary of a body of DICOM parts.

    Raises:
        UnsupportedMediaTypeError: it is not multipart/related of application/dicom.
        MalformedRequestError: it names no boundary, or one that cannot be decoded.
    """
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_type() != _RELATED or str(header.get_param("type", DICOM)).lower() != DICOM:
        msg = f'the body is not declared as {_RELATED}; type="{DICOM}"; send the instances so (DICOM PS3.18 10.5.1)'
        raise UnsupportedMediaTypeError(msg)
    try:
        boundary = header.get_boundary()
    except ValueError as error:  # its charset (RFC 2231) is one that Python has and that decodes no text
        _malformed("states a boundary that cannot be decoded", error)
    if not boundary:
        _malformed("states no boundary")
    return boundary


async def read_parts(body: AsyncIterable[bytes], content_type: str, *, at_most: int) -> tuple[bytes, ...]:
    """The contents of the parts, each application/dicom; in memory only.

    Args:
        body: chunks as they arrive; the app bounds their sum.
        content_type: the request's header.
        at_most: parts accepted.

    Raises:
        UnsupportedMediaTypeError: the body or a part is declared as something else.
        MalformedRequestError: it cannot be read as multipart, was cut off, or has no part.
        BodyTooLargeError: more parts than accepted.
    """
    parts = _Parts(at_most)
    boundary = boundary_of(content_type)
    try:
        parser = MultipartParser(boundary, parts.callbacks)
    except (FormParserError, UnicodeEncodeError) as error:  # too long, or not of the characters of headers
        _malformed("states a boundary that is over 256 characters or not Latin-1", error)
    try:
        async for chunk in body:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        msg = f"the body cannot be read as {_RELATED}; check its boundary lines"
        raise MalformedRequestError(msg) from error
    if not parts.ended:
        _malformed("ends before its closing boundary")
    if not parts.contents:
        _malformed("holds no part")
    return tuple(map(bytes, parts.contents))


def write_parts(contents: Sequence[bytes]) -> tuple[bytes, str]:
    """A body of application/dicom parts and its Content-Type."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: {DICOM}\r\n\r\n".encode()
    body = b"".join(head + content + b"\r\n" for content in contents) + f"--{boundary}--\r\n".encode()
    return body, f'{_RELATED}; type="{DICOM}"; boundary={boundary}'


class _Parts:
    """The parts that the parser's callbacks have collected."""

    def __init__(self, at_most: int) -> None:
        self.contents: list[bytearray] = []
        self.ended = False
        self._at_most = at_most
        self._field = bytearray()
        self._value = bytearray()
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._name,
            "on_header_value": self._text,
            "on_header_end": self._header,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.contents) == self._at_most:
            msg = f"the request holds more than {self._at_most} instances; send several requests"
            raise BodyTooLargeError(msg)
        self.contents.append(bytearray())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.contents[-1] += data[start:end]

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _text(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        field = self._field.strip().lower()
        value = self._value.partition(b";")[0].strip().lower()
        self._field = bytearray()
        self._value = bytearray()
        if field == b"content-type" and value != DICOM.encode():
            msg = f"a part is not declared as {DICOM}; other kinds of instances are not stored here"
            raise UnsupportedMediaTypeError(msg)

    def _end(self) -> None:
        self.ended = True


def _malformed(what: str, cause: ValueError | None = None) -> Never:
    msg = f"the {_RELATED} body {what}; let a DICOMweb client build it"
    raise MalformedRequestError(msg) from cause
