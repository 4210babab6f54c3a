"""What an archive lists: the place of each file in a ZIP or a TAR; names are not looked at.

Source: PKWARE APPNOTE 6.3.10 4.3.14 to 4.3.16 (end of the central directory); POSIX.1-2001, pax (ustar header).
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from schemas.errors import BodyTooLargeError, MalformedRequestError

ENTRY_FAULTS: Final = (NotImplementedError, zlib.error, EOFError, OSError, ValueError, struct.error)
"""What reading of a damaged archive may raise."""
_BLOCK: Final = 512
_REGULAR: Final = (b"0", b"\0", b"7")
_ENTRY_BYTES: Final = 1024
"""Of the directory for one member: 46, its name and extra fields."""
_END: Final = struct.Struct("<4s4H2LH")
_END_BYTES: Final = _END.size + 2**16
"""With the longest comment."""
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_ENCRYPTED: Final = 0x1
_NO_METHOD: Final = -1
_ARCHIVE_FAULTS: Final = (zipfile.BadZipFile, *ENTRY_FAULTS)


def zip_members(path: Path, most: int) -> Iterator[dict[str, Any]]:
    """The place of each file in a ZIP.

    Raises:
        MalformedRequestError: it cannot be read.
        BodyTooLargeError: its directory is larger than that of `most` files.
    """
    try:
        with path.open("rb") as raw:
            if _directory_bytes(raw) > most * _ENTRY_BYTES:  # before a library reads all of it into memory
                raise too_many(most)
            with zipfile.ZipFile(raw) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _ARCHIVE_FAULTS as error:
        raise _unreadable() from error
    for entry in entries:
        method = _NO_METHOD if entry.flag_bits & _ENCRYPTED else entry.compress_type
        yield {"offset": entry.header_offset, "size": entry.compress_size, "method": method, "crc": entry.CRC}


def _directory_bytes(raw: BinaryIO) -> int:
    """The size of the central directory, which a reader of the archive takes into memory."""
    size = raw.seek(0, os.SEEK_END)
    start = max(0, size - _END_BYTES)
    raw.seek(start)
    tail = raw.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0:
        raise EOFError
    *_, stated, _, _ = _END.unpack_from(tail, place)
    if stated != 2**32 - 1:
        return int(stated)
    _, _, at, _ = _LOCATOR.unpack_from(tail, place - _LOCATOR.size)
    raw.seek(at)
    return int(_END_64.unpack(raw.read(_END_64.size))[-2])


def tar_members(path: Path) -> Iterator[dict[str, Any]]:
    """The place of each file in a TAR.

    Headers alone are read: the library would take a header of any size into memory.

    Raises:
        MalformedRequestError: it cannot be read, or holds no file.
    """
    count = 0
    with path.open("rb") as raw:
        size = raw.seek(0, os.SEEK_END)
        offset = 0
        while offset + _BLOCK <= size:
            raw.seek(offset)
            header = raw.read(_BLOCK)
            if not header.strip(b"\0"):
                break
            if header[257:262] != b"ustar":
                raise _unreadable()
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
