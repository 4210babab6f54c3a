"""Multipart bodies: read as they arrive, with bounds and in memory only, and written.

The reader accepts what the field sends: a preamble, blanks after a boundary, folded headers, lines that end with LF
alone, and the base64 of mail programs. Source: RFC 2046 5.1.1 (multipart), RFC 2045 6 (transfer encodings).
"""

import asyncio
import binascii
import re
import uuid
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Never

from schemas.errors import MalformedRequestError

LONGEST_BOUNDARY: Final = 256
"""In bytes; RFC 2046 allows 70, and clients exceed it."""
_LONGEST_HEAD: Final = 16 * 1024
"""Headers of one part, in bytes."""
_LONGEST_PADDING: Final = 1000
"""Blanks after a boundary."""
_FALSE_BOUNDARIES: Final = 10_000
"""Lines that begin like a boundary and are none; each is looked at, and a film holds one by an accident in 2^-32."""
_BASE64_STEP: Final = 1 << 20
"""Characters decoded before other threads get their turn; a multiple of 4."""
_IDENTITIES: Final = ("", "7bit", "8bit", "binary")

_AFTER_BOUNDARY: Final = re.compile(rb"(?P<end>--)|[ \t]{0,%d}+(?P<line_break>\r?\n)" % _LONGEST_PADDING)
_UNDECIDED: Final = re.compile(rb"-|[ \t]{0,%d}+\r?" % _LONGEST_PADDING)

Headers = Mapping[str, str]
"""Of a part, by their names in lower case; of two with one name the first counts."""
Accept = Callable[[Headers], bool]
"""Whether a part's content is kept; called when its headers have arrived, and may refuse the body by an error."""
ReadPart = tuple[Headers, bytes]
"""Headers and content of a part."""


@dataclass(slots=True)
class Part:
    """One part whose content is kept."""

    headers: Headers
    content: bytearray = field(default_factory=bytearray)


class _State(Enum):
    PREAMBLE = "preamble"
    HEAD = "head"
    CONTENT = "content"
    EPILOGUE = "epilogue"


class MultipartReader:
    """Takes a body in pieces of any size.

    Invariant: `_pending` holds the bytes that are not decided yet; they are fewer than a head and a boundary with its
    padding have.
    """

    def __init__(self, boundary: str, accept: Accept) -> None:
        """Begin before the first byte.

        Raises:
            MalformedRequestError: the boundary is empty, too long or not Latin-1.
        """
        try:
            self._mark = b"\n--" + boundary.encode("latin-1")
        except UnicodeEncodeError as error:
            _malformed("states a boundary that is not Latin-1", error)
        if not 0 < len(boundary) <= LONGEST_BOUNDARY:
            _malformed(f"states a boundary that is empty or over {LONGEST_BOUNDARY} characters")
        self._accept = accept
        self._state = _State.PREAMBLE
        self._pending = bytearray(b"\r\n")  # a boundary is a line of its own, the first one too
        self._skipped = 2  # bytes of `_pending` that are of no content, but may begin a boundary
        self._head: list[bytes] = []
        self._head_bytes = 0
        self._ends_with_lf = False
        self._false_boundaries = 0
        self._part: Part | None = None
        self._parts: list[Part] = []

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            MalformedRequestError: they cannot be a part of a multipart body.
            CxrError: of `accept`.
        """
        self._pending += data
        while self._advance():
            pass

    def finish(self) -> Sequence[Part]:
        """The parts that were kept, once the last byte has arrived.

        Raises:
            MalformedRequestError: the body ends before its closing boundary.
        """
        if self._state is not _State.EPILOGUE:
            _malformed("ends before its closing boundary, or has none")
        return self._parts

    def _advance(self) -> bool:
        """Take one step; false where it needs more bytes."""
        if self._state is _State.HEAD:
            return self._read_head_line()
        if self._state is _State.EPILOGUE:
            self._pending.clear()
            return False
        return self._read_to_boundary()

    def _read_to_boundary(self) -> bool:
        start = 0
        while (at := self._pending.find(self._mark, start)) >= 0:
            after = at + len(self._mark)
            if (match := _AFTER_BOUNDARY.match(self._pending, after)) is not None:
                self._end_content(at, match)
                return True
            if _UNDECIDED.fullmatch(self._pending, after) is not None:
                self._emit(at - 1)
                return False
            self._false_boundaries += 1
            if self._false_boundaries > _FALSE_BOUNDARIES:
                _malformed("has a boundary that occurs in its contents")
            start = at + 1
        self._emit(len(self._pending) - len(self._mark))
        return False

    def _end_content(self, at: int, match: re.Match[bytes]) -> None:
        if self._state is _State.PREAMBLE:
            self._ends_with_lf = match["line_break"] == b"\n"
        self._state = _State.HEAD if match["end"] is None else _State.EPILOGUE
        has_cr = not self._ends_with_lf and self._pending[at - 1 : at] == b"\r"
        end = match.end()
        del match  # it looks into `_pending`, and no longer at what it has matched once that changes
        self._emit_and_drop(at - has_cr, end)
        self._head = []
        self._head_bytes = 0

    def _emit(self, end: int) -> None:
        """Take the bytes before `end` for content."""
        if end > 0:
            self._emit_and_drop(end, end)

    def _emit_and_drop(self, end: int, dropped: int) -> None:
        if self._part is not None and end > self._skipped:
            self._part.content += self._pending[self._skipped : end]
        del self._pending[:dropped]
        self._skipped = max(0, self._skipped - dropped)

    def _read_head_line(self) -> bool:
        end = self._pending.find(b"\n")
        length = len(self._pending) if end < 0 else end + 1
        if self._head_bytes + length > _LONGEST_HEAD:
            _malformed(f"has a part whose headers are over {_LONGEST_HEAD} bytes")
        if end < 0:
            return False
        self._head_bytes += length
        line = bytes(self._pending[:end]).removesuffix(b"\r")
        if line:
            del self._pending[:length]
            self._take_header_line(line)
            return True
        self._skipped = length  # an empty part: the boundary begins with the line break of the empty line
        headers = _headers(self._head)
        self._part = Part(headers) if self._accept(headers) else None
        if self._part is not None:
            self._parts.append(self._part)
        self._state = _State.CONTENT
        return True

    def _take_header_line(self, line: bytes) -> None:
        if line[:1] in (b" ", b"\t") and self._head:
            self._head[-1] += b" " + line.strip()  # RFC 5322 2.2.3: folding; obsolete in HTTP, and mail programs fold
        elif b":" in line:
            self._head.append(line)
        else:
            _malformed("has a part with a header line without a colon")


async def read_multipart(body: AsyncIterable[bytes], boundary: str, accept: Accept) -> tuple[ReadPart, ...]:
    """Headers and content of the parts that `accept` keeps.

    Args:
        body: pieces as they arrive; the app bounds their sum.
        boundary: of the Content-Type.
        accept: see `Accept`.

    Raises:
        MalformedRequestError: it cannot be read as multipart, or was cut off.
    """
    reader = MultipartReader(boundary, accept)
    async for chunk in body:
        reader.write(chunk)
    parts = reader.finish()
    return tuple([(part.headers, await _decoded(part)) for part in parts])


def write_multipart(contents: Sequence[bytes], media_type: str) -> tuple[bytes, str]:
    """A body of parts of one media type, and its boundary."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode()
    body = b"".join(head + content + b"\r\n" for content in contents) + f"--{boundary}--\r\n".encode()
    return body, boundary


def _headers(lines: Sequence[bytes]) -> Headers:
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers.setdefault(_text(name).strip().lower(), _text(value).strip())
    return headers


def _text(value: bytes) -> str:
    """In UTF-8, and where it is not, in Latin-1: what RFC 7578 5.1.3 and RFC 9110 5.5 let senders write."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _decoded(part: Part) -> bytes:
    encoding = part.headers.get("content-transfer-encoding", "").lower()
    if encoding in _IDENTITIES:
        return bytes(part.content)
    if encoding != "base64":
        _malformed("has a part whose Content-Transfer-Encoding is neither binary nor base64")
    try:
        return await asyncio.to_thread(_from_base64, part.content)
    except binascii.Error as error:
        _malformed("has a part whose base64 is broken", error)


def _from_base64(content: bytearray) -> bytes:
    text = content.translate(None, b"\r\n\t ")
    pieces = (text[at : at + _BASE64_STEP] for at in range(0, len(text), _BASE64_STEP))
    return b"".join(binascii.a2b_base64(piece, strict_mode=True) for piece in pieces)


def _malformed(what: str, cause: Exception | None = None) -> Never:
    msg = f"the multipart body {what}; let the HTTP library of your program build it"
    raise MalformedRequestError(msg) from cause
