"""The words of a run-length encoded frame, and not one byte more than its size asks for.

Source: DICOM PS3.5 annex G.
"""

import contextlib
import itertools
import struct
from typing import Final

from imaging.dicom.pixel_data import ImagePixel
from schemas.errors import InvalidImageError

_HEADER_BYTES: Final = 64
_MOST: Final = 128
"""Bytes that one code gives at most."""
_ONE_BYTE: Final = b"\0"
"""The code before a single byte."""
_PADDING: Final = b"\0\x80"
"""Zeros, and codes that stand for no byte."""


def unpack(frame: bytes, module: ImagePixel) -> bytes:
    """Unpack a frame.

    Whoever sends two bytes for every 128 must not choose how long they are unpacked: a segment is left once it has
    given Rows x Columns bytes. One byte more is met where writers fill an odd segment before they pack it. What
    follows must be zeros or codes for nothing, as writers pad with; else it is a bomb (10 MB of runs took 6.5 s), or a
    frame of another size, whose lines would come out shifted.

    Args:
        frame: header and segments; a segment holds one byte of each word, the most significant first (G.2).
        module: the size that the segments must fill.

    Returns:
        Little-endian words, plane after plane.

    Raises:
        InvalidImageError: another number of segments is needed, or one gives too few bytes or too many.
    """
    width = module.bits_allocated // 8
    segments = _segments(frame, module.samples * width)
    pixels = module.rows * module.columns
    words = bytearray(len(segments) * pixels)
    for index, segment in enumerate(segments):
        sample, byte = divmod(index, width)
        start = sample * width * pixels + width - 1 - byte
        words[start : start + width * pixels : width] = _unpack_segment(segment, pixels)
    return bytes(words)


def _segments(frame: bytes, expected: int) -> list[bytes]:
    """The segments between the offsets of the header (G.5)."""
    if len(frame) < _HEADER_BYTES:
        msg = f"the RLE frame has {len(frame)} bytes and its header alone has {_HEADER_BYTES}: the film is truncated"
        raise InvalidImageError(msg)
    count, *offsets = struct.unpack_from("<16L", frame)
    if count != expected:
        msg = f"the RLE frame has {count} segments and the data set needs {expected}; export the film again"
        raise InvalidImageError(msg)
    bounds = [*offsets[:count], len(frame)]
    return [frame[start:end] for start, end in itertools.pairwise(bounds)]


def _unpack_segment(segment: bytes, size_bytes: int) -> bytearray:
    """The first `size_bytes` of a segment (G.3.2)."""
    # No code needs more than two bytes for each that it gives, so what lies beyond could only be codes for nothing.
    codes = segment[: 2 * size_bytes]
    unpacked = bytearray()
    position = 0
    with contextlib.suppress(IndexError):  # the codes are over
        while (missing := size_bytes - len(unpacked)) > 0:
            # So many codes cannot give much too much, and asking after each would cost as much as the code itself.
            for _ in range(missing // _MOST + 1):
                code = codes[position] + 1
                if code <= _MOST:
                    unpacked += codes[position + 1 : position + 1 + code]
                    position += 1 + code
                elif code > _MOST + 1:
                    unpacked += codes[position + 1 : position + 2] * (2 * _MOST + 2 - code)
                    position += 2
                else:  # stands for no byte
                    position += 1
    if len(unpacked) < size_bytes:
        msg = f"a segment of the RLE frame unpacks to {len(unpacked)} of {size_bytes} bytes: the film is truncated"
        raise InvalidImageError(msg)
    if len(unpacked) == size_bytes and segment[position : position + 1] == _ONE_BYTE:
        position += 2
    if segment[position:].strip(_PADDING) or unpacked[size_bytes + 1 :].strip(b"\0"):
        msg = f"a segment of the RLE frame goes on after {size_bytes} bytes, which fill the film; export the film again"
        raise InvalidImageError(msg)
    return unpacked[:size_bytes]
