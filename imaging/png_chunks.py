"""The chunks of a PNG file before its pixels, whose checksums may be wrong.

Source: PNG specification 5.3 (layout), 5.4 (naming), 14.1 (what an error in an ancillary chunk costs).
"""

import struct
import zlib
from typing import Final

from schemas.errors import InvalidImageError

_SIGNATURE_BYTES: Final = 8
_HEADER: Final = struct.Struct(">I4s")
_CHECKSUM_BYTES: Final = 4
_PIXELS: Final = b"IDAT"
_NEEDED: Final = (b"tRNS", b"acTL", b"fcTL", b"fdAT")
"""Ancillary chunks that change what is shown."""


def without_damaged_chunks(data: bytes, max_chunks: int) -> tuple[bytes, bool]:
    """Leave out chunks of metadata that are damaged.

    Args:
        data: a PNG file, whatever follows its signature.
        max_chunks: how many are looked at; the decoder has a limit of its own.

    Returns:
        The file, and whether a chunk was left out.

    Raises:
        InvalidImageError: a chunk is damaged without which the film cannot be shown.
    """
    kept = [data[:_SIGNATURE_BYTES]]
    is_damaged = False
    position = _SIGNATURE_BYTES
    for _ in range(max_chunks):
        if position + _HEADER.size > len(data):
            break
        length, kind = _HEADER.unpack_from(data, position)
        end = position + _HEADER.size + length + _CHECKSUM_BYTES
        if kind == _PIXELS or end > len(data):
            break
        chunk = data[position:end]
        if zlib.crc32(chunk[4:-_CHECKSUM_BYTES]) == int.from_bytes(chunk[-_CHECKSUM_BYTES:]):
            kept.append(chunk)
        elif kind in _NEEDED or not _is_ancillary(kind):
            msg = f"the PNG data is broken: the checksum of its chunk {_name(kind)} is wrong; save the picture again"
            raise InvalidImageError(msg)
        else:
            is_damaged = True
        position = end
    return (b"".join((*kept, data[position:])), True) if is_damaged else (data, False)


def _is_ancillary(kind: bytes) -> bool:
    """A small first letter: the picture can be shown without it."""
    return kind[:1].islower()


def _name(kind: bytes) -> str:
    return kind.decode("ascii") if kind.isalpha() else "without a name"
