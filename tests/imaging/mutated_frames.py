"""Compressed frames that a seed has spoilt, of every codec: what a hostile sender, a bad cable or a bad disk sends."""

import io
import random
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.encaps import get_frame

from imaging.phantom import phantom
from tests.imaging.compressed import ENCODERS, HTJ2K_FRAME, HTJ2K_SHAPE, encapsulated_film

CODECS: Final[Mapping[str, tuple[str, ...]]] = {
    "JPEG": (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit),
    "lossless JPEG": (uid.JPEGLossless, uid.JPEGLosslessSV1),
    "JPEG-LS": (uid.JPEGLSLossless, uid.JPEGLSNearLossless),
    "JPEG 2000": (uid.JPEG2000Lossless, uid.JPEG2000),
    "HTJ2K": (uid.HTJ2KLossless,),
    "run lengths": (uid.RLELossless,),
}
"""The transfer syntaxes of each codec."""
_PUBLIC: Final = (
    "JPEG-lossy.dcm",
    "JPEG2000.dcm",
    "693_J2KI.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_gdcm_KY.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle.dcm",
)
"""Of pydicom's own test files: other encoders, colour, signed values."""
_KEPT: Final = (
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "PlanarConfiguration",
    "Rows",
    "SamplesPerPixel",
)
_MARKER: Final = re.compile(rb"\xff[\x4f-\xfe]")
"""Of JPEG, JPEG-LS and JPEG 2000. Source: ISO 10918-1 table B.1; ISO 14495-1 table C.1; ISO 15444-1 table A.2."""
_FRAME: Final = re.compile(rb"\xff[\xc0-\xc3\xf7]")
"""Before the size of a frame. Source: ISO 10918-1 B.2.2; ISO 14495-1 C.2.2."""
_SIZE: Final = b"\xff\x4f\xff\x51"
"""Before the size of a JPEG 2000 frame. Source: ISO 15444-1 A.5.1."""
_ITEM: Final = b"\xfe\xff\x00\xe0"
_SIDES: Final = (1, 7, 64, 255, 1000)
_HEAD: Final = 200
"""In so many first bytes lies most of the meaning."""
_MOST_BYTES: Final = 1_000_000
_FILM: Final = phantom(64, 48, seed=2)
_EXTREMES: Final = (b"\0\0", b"\0\1", b"\x7f\xff", b"\x80\0", b"\xff\xff")


@dataclass(frozen=True, slots=True)
class Frame:
    """A compressed frame, and the attributes that describe it."""

    encoded: bytes
    transfer_syntax: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def film(self) -> bytes:
        """The DICOM film of this frame, whatever it is."""
        padded = self.encoded + b"\0" * (len(self.encoded) % 2)
        fragments = _ITEM + bytes(4) + _ITEM + len(padded).to_bytes(4, "little") + padded  # also of an empty frame
        return encapsulated_film(fragments, self.transfer_syntax, np.zeros((1, 1), np.uint8), **self.attributes)


def valid_frames(codec: str) -> list[Frame]:
    """Frames of a codec that are as they should be: of our own encoders, and public ones."""
    syntaxes = CODECS[codec]
    return [made for syntax in syntaxes for made in _made(syntax)] + [
        frame for name in _PUBLIC if (frame := _public(name)).transfer_syntax in syntaxes
    ]


def _made(syntax: str) -> list[Frame]:
    if syntax == uid.HTJ2KLossless:
        rows, columns = HTJ2K_SHAPE
        return [Frame(HTJ2K_FRAME, syntax, {"Rows": rows, "Columns": columns})]
    if syntax == uid.JPEGBaseline8Bit:
        return [_described(frame, syntax, 8) for frame in (ENCODERS[syntax](_FILM, 8), progressive_jpeg(_FILM))]
    deep = _FILM.astype(np.uint16) * 16
    return [_described(ENCODERS[syntax](stored, bits), syntax, bits) for stored, bits in ((_FILM, 8), (deep, 12))]


def _described(encoded: bytes, syntax: str, bits: int) -> Frame:
    rows, columns = _FILM.shape
    allocated = 8 if bits <= 8 else 16
    depth = {"BitsAllocated": allocated, "BitsStored": bits, "HighBit": bits - 1}
    return Frame(encoded, syntax, {"Rows": rows, "Columns": columns, **depth})


def progressive_jpeg(film: NDArray[np.uint8], *, empty_scans: int = 0) -> bytes:
    """A JPEG of several scans, which GDCM reads, and behind them any number of the last scan's header alone."""
    stream = io.BytesIO()
    Image.fromarray(film).save(stream, "JPEG", progressive=True)
    encoded = stream.getvalue()
    last = encoded.rindex(b"\xff\xda")
    return encoded[:-2] + encoded[last : last + 10] * empty_scans + b"\xff\xd9"


def _public(name: str) -> Frame:
    dataset = pydicom.dcmread(str(get_testdata_file(name, download=False)))
    attributes = {keyword: dataset[keyword].value for keyword in _KEPT if keyword in dataset}
    return Frame(
        get_frame(dataset.PixelData, 0, number_of_frames=1), str(dataset.file_meta.TransferSyntaxUID), attributes
    )


def mutated(frames: Sequence[Frame], generator: random.Random) -> Frame:
    """One of the frames, a third of them of another size, with one to three changes."""
    frame = generator.choice(frames)
    encoded, attributes = frame.encoded, frame.attributes
    changes = generator.randint(1, 3)
    if generator.random() < 1 / 3:
        rows, columns = generator.choice(_SIDES), generator.choice(_SIDES)
        encoded = _resized(encoded, rows, columns)
        attributes = attributes | {"Rows": rows, "Columns": columns}
        changes -= 1
    for _ in range(changes):
        encoded = generator.choice(MUTATIONS)(encoded or b"\0", generator.choice(frames).encoded, generator)
    return Frame(encoded, frame.transfer_syntax, attributes)


def _resized(encoded: bytes, rows: int, columns: int) -> bytes:
    """The frame with another size in its header; run lengths state none."""
    if (start := encoded.find(_SIZE)) >= 0:
        return encoded[: start + 8] + struct.pack(">2I", columns, rows) + encoded[start + 16 :]
    if marker := _FRAME.search(encoded):
        start = marker.start() + 5
        return encoded[:start] + struct.pack(">2H", rows, columns) + encoded[start + 4 :]
    return encoded


Mutation = Callable[[bytes, bytes, random.Random], bytes]


def _position(content: bytes, generator: random.Random) -> int:
    """In the head as often as anywhere."""
    return generator.randrange(generator.choice((min(_HEAD, len(content)), len(content))))


def _segment(content: bytes, generator: random.Random) -> tuple[int, int]:
    """Start and end of what stands between two markers; of any bytes where there are none."""
    starts = [marker.start() for marker in _MARKER.finditer(content)]
    if not starts:
        start = _position(content, generator)
        return start, min(len(content), start + generator.choice((2, 16, 64)))
    number = generator.randrange(len(starts))
    return starts[number], [*starts, len(content)][number + 1]


def _flipped(content: bytes, _other: bytes, generator: random.Random) -> bytes:
    spoilt = bytearray(content)
    for _ in range(generator.choice((1, 4, 32))):
        spoilt[_position(content, generator)] ^= 1 << generator.randrange(8)
    return bytes(spoilt)


def _truncated(content: bytes, _other: bytes, generator: random.Random) -> bytes:
    return content[: _position(content, generator)]


def _overwritten(content: bytes, _other: bytes, generator: random.Random) -> bytes:
    """Two bytes by an extreme: lengths, precisions, offsets, numbers of things."""
    start = _position(content, generator)
    return content[:start] + generator.choice(_EXTREMES) + content[start + 2 :]


def _repeated(content: bytes, _other: bytes, generator: random.Random) -> bytes:
    """Once or many times, as far as a frame may be long."""
    start, end = _segment(content, generator)
    return content[:end] + content[start:end] * generator.choice((1, 3, _MOST_BYTES // (end - start))) + content[end:]


def _without(content: bytes, _other: bytes, generator: random.Random) -> bytes:
    start, end = _segment(content, generator)
    return content[:start] + content[end:]


def _shortened(content: bytes, _other: bytes, generator: random.Random) -> bytes:
    """A segment that ends early, while its length stays."""
    start, end = _segment(content, generator)
    return content[: generator.randint(start, end)] + content[end:]


def _spliced(content: bytes, other: bytes, generator: random.Random) -> bytes:
    return content[: _position(content, generator)] + other[generator.randrange(len(other)) :]


MUTATIONS: Final[tuple[Mutation, ...]] = (
    _flipped,
    _truncated,
    _overwritten,
    _repeated,
    _without,
    _shortened,
    _spliced,
)
