"""What an archive lists: the place of each file in a ZIP or a TAR; names are not looked at.

Source: PKWARE APPNOTE 6.3.10 4.3.14 to 4.3.16 (end of the central directory); POSIX.1-2001, pax (ustar header).
"""

import errno
import itertools
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from schemas.errors import BodyTooLargeError, MalformedRequestError, SpoolUnavailableError

ENTRY_FAULTS: Final = (NotImplementedError, zlib.error, EOFError, OSError, ValueError, struct.error)
"""What reading of a damaged archive may raise when it is `opened`."""
_ENTRIES_OF_A_FILE: Final = 8
"""Of folders, links and long names that an archive may hold for each file that it may hold."""
_ENTRY_BYTES: Final = 1024
"""Of the directory of a ZIP for one file: 46, its name and extra fields."""
_BLOCK: Final = 512
_REGULAR: Final = (b"0", b"\0", b"7")
_ENTRY: Final = struct.Struct("<4s4xHH4xLLLHHH8xL")
"""Signature, flags, method, CRC, packed and unpacked size, lengths of name, extra fields and comment, offset."""
_END: Final = struct.Struct("<4s4H2LH")
_END_BYTES: Final = _END.size + 2**16
"""With the longest comment."""
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_EXTRA: Final = struct.Struct("<HH")
_SIZES_64: Final = 1
"""The id of the extra field with what is too large for 32 bits."""
_IN_EXTRA: Final = 2**32 - 1
_ENCRYPTED: Final = 0x1
_NO_METHOD: Final = -1


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """An archive, to be read.

    Raises:
        SpoolUnavailableError: the disk or share on which it lies does not answer, which is no fault of the archive.
    """
    try:
        with path.open("rb") as raw:
            yield raw
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place that no file has, which a damaged archive names
            raise
        reason = error.strerror or type(error).__name__
        msg = f"an archive in CXR_JOBS_FOLDER cannot be read ({reason}); make it readable; it is tried again"
        raise SpoolUnavailableError(msg) from error


def zip_members(path: Path, most: int) -> Iterator[dict[str, Any]]:
    """The place of each file in a ZIP.

    Its directory is read entry by entry: a library would take it into memory, with an object for each of millions.

    Raises:
        MalformedRequestError: it cannot be read.
        SpoolUnavailableError: see `opened`.
        BodyTooLargeError: its directory is larger than that of `most` files, or has more entries.
    """
    try:
        with opened(path) as raw:
            start, end, shift = _directory(raw)
            if end - start > most * _ENTRY_BYTES:
                raise too_many(most)
            raw.seek(start)
            for count in itertools.count():
                if raw.tell() == end:
                    break
                if count == most * _ENTRIES_OF_A_FILE:
                    raise too_many(most)
                place = _next_entry(raw, end)
                if place is not None:
                    yield _checked(place, shift, start)
    except ENTRY_FAULTS as error:
        raise _unreadable() from error


def _directory(raw: BinaryIO) -> tuple[int, int, int]:
    """Where the central directory begins and ends, and how many bytes stand before the archive itself."""
    size = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, size - _END_BYTES))
    tail = raw.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0:
        raise EOFError
    *_, length, offset, _ = _END.unpack_from(tail, place)
    end = size - len(tail) + place
    locator = end - _LOCATOR.size
    raw.seek(max(0, locator))
    if raw.read(_LOCATOR.size).startswith(b"PK\6\7"):  # what it names holds, also where the sizes above would do
        end = locator - _END_64.size
        raw.seek(end)
        signature, *_, length, offset = _END_64.unpack(raw.read(_END_64.size))
        if signature != b"PK\6\6":
            raise EOFError
    return end - length, end, end - length - offset


def _next_entry(raw: BinaryIO, end: int) -> dict[str, Any] | None:
    """The entry of the directory that begins here; None: of a folder."""
    entry = _ENTRY.unpack(raw.read(_ENTRY.size))
    signature, flags, method, crc, packed, size, name_bytes, extra_bytes, comment_bytes, offset = entry
    name, extra = raw.read(name_bytes), raw.read(extra_bytes)
    if signature != b"PK\1\2" or raw.seek(comment_bytes, os.SEEK_CUR) > end:
        raise EOFError
    if name.endswith(b"/"):
        return None
    large = _large_sizes(extra)
    _, packed, offset = (next(large) if value == _IN_EXTRA else value for value in (size, packed, offset))
    return {"offset": offset, "size": packed, "method": _NO_METHOD if flags & _ENCRYPTED else method, "crc": crc}


def _large_sizes(extra: bytes) -> Iterator[int]:
    """The values of the field for ZIP64."""
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == _SIZES_64:
            field = extra[at : at + length]
            yield from (number for (number,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8]))
        at += length
    raise EOFError


def _checked(place: dict[str, Any], shift: int, start: int) -> dict[str, Any]:
    """With its offset in the file; what would stand elsewhere than before the directory cannot be read."""
    offset = place["offset"] + shift
    return place | ({"offset": offset} if 0 <= offset < start else {"offset": 0, "method": _NO_METHOD})


def tar_members(path: Path, most: int) -> Iterator[dict[str, Any]]:
    """The place of each file in a TAR.

    Headers alone are read: the library would take a header of any size into memory.

    Raises:
        MalformedRequestError: it cannot be read, or holds no file.
        SpoolUnavailableError: see `opened`.
        BodyTooLargeError: it has more headers than one of `most` files.
    """
    count = headers = 0
    with opened(path) as raw:
        size = raw.seek(0, os.SEEK_END)
        offset = 0
        while offset + _BLOCK <= size:
            raw.seek(offset)
            header = raw.read(_BLOCK)
            if not header.strip(b"\0"):
                break
            if header[257:262] != b"ustar":
                raise _unreadable()
            headers += 1
            if headers > most * _ENTRIES_OF_A_FILE:
                raise too_many(most)
            length = _length(header[124:136])
            offset += _BLOCK
            if offset + length > size:
                raise _unreadable()
            if header[156:157] in _REGULAR:
                count += 1
                yield {"offset": offset, "size": length}
            offset += -(-length // _BLOCK) * _BLOCK
    if not count:
        raise _unreadable()


def _length(field: bytes) -> int:
    try:
        number = int.from_bytes(field[4:], "big") if field[0] & 0x80 else int(field.strip(b" \0") or b"0", 8)
    except ValueError as error:
        raise _unreadable() from error
    if number < 0:
        raise _unreadable()
    return number


def _unreadable() -> MalformedRequestError:
    msg = "the archive cannot be read, or holds no file; send a ZIP, or a TAR that is not compressed"
    return MalformedRequestError(msg)


def too_many(most: int) -> BodyTooLargeError:
    """The refusal of an archive with more files than a job may have."""
    msg = f"the archive holds more than {most} files (CXR_JOBS_MAX_FILMS); send several"
    return BodyTooLargeError(msg)
