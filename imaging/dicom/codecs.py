"""One compressed frame to its pixels, by C and C++ libraries that a hostile frame can make abort the whole process.

Run it in a process that may die: `imaging.dicom.child_decoder`. Five malformed JPEG 2000 frames of a public collection
abort any process in which OpenJPEG or GDCM decode them.
"""

import re
import struct
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.encaps import encapsulate, parse_fragments
from pydicom.pixels.decoders.base import get_decoder

from imaging.dicom.colour import to_rgb
from imaging.dicom.pixel_data import ImagePixel
from imaging.dicom.run_lengths import unpack
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, name_of
from imaging.libraries import configure_libraries
from imaging.limits import DecodeLimits, parsing
from imaging.raster import count_scans
from schemas.errors import InvalidImageError

# GDCM reads process and precision from the frame itself. pydicom refuses to let it read 12-bit JPEG Extended frames
# under their own name; under this one they come out right.
_READ_AS = {uid.JPEGExtended12Bit: uid.JPEGLossless}

_START_OF_FRAME: Final = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # ISO 10918-1 table B.1, ISO 14495-1 C.1.1
_JPEG_LS: Final = 0xF7
_MOST_SCANS: Final = DecodeLimits().max_jpeg_scans
"""Of a progressive frame, which these syntaxes do not know and GDCM reads: 5,000 empty ones of a megapixel take it 1 s,
200,000 in 2 MB ran into the limit of time."""
_END_OF_IMAGE: Final = b"\xff\xd9"
"""Put behind every JPEG-LS frame: where a truncated one has none, CharLS 2.4.2 counts to 2**32, for 4 s."""
HAS_CHARLS: Final = find_spec("jpeg_ls") is not None
"""There is no wheel of pyjpegls for Python 3.14."""
_ITEM: Final = b"\xfe\xff\x00\xe0"
_HEAD: Final = 8
"""Bytes of tag and length before the content of an item."""
_SCAN: Final = re.compile(rb"\xff\xda..(.{1,12})", re.DOTALL)
_RESET: Final = 64
_PRESETS: Final = re.compile(rb"\xff\xf8..\x01(.{10})", re.DOTALL)
"""In coded pixels of JPEG-LS no byte above 127 follows 0xFF. Source: ISO 14495-1 A.1."""


_BYTE_BITS: Final = 8
_LEAST_S: Final = 3.0
"""For the smallest frame, on a machine whose cores are all busy."""
_LARGEST_SHARE: Final = 2
"""Of the film without compression; run lengths of noise take 129/128 of it, other codecs less than a tenth more."""
_BESIDE_PIXELS: Final = 1024 * 1024
"""Headers, comments and offset tables, in bytes."""


@dataclass(frozen=True, slots=True)
class EncapsulatedFrame:
    """All that a codec gets of a film: no attribute of the patient crosses to another process."""

    data: bytes | memoryview
    """The fragments of Pixel Data with their item tags. Source: PS3.5 A.4."""
    transfer_syntax: str
    module: ImagePixel

    def __post_init__(self) -> None:
        """Refuse what no codec writes, before it is copied to another process.

        Raises:
            InvalidImageError: it has far more bytes than the film without compression.
        """
        module = self.module
        plain = module.rows * module.columns * module.samples * module.bits_allocated // 8
        if len(self.data) > _LARGEST_SHARE * plain + _BESIDE_PIXELS:
            msg = (
                f"the compressed frame has {len(self.data)} bytes, and the film without compression {plain}; export "
                "the film again"
            )
            raise InvalidImageError(msg)


class FrameDecoder(Protocol):
    """Decodes compressed frames for `imaging.decode.decode`; the caller chooses where that happens."""

    def __call__(self, frame: EncapsulatedFrame, /) -> NDArray[Any]:
        """Decode one frame.

        Returns:
            Words [H, W] of a gray film; uint8 [H, W, 3] of a colour film, RGB.

        Raises:
            InvalidImageError: the frame is broken, or its decoding needs more than it may.
        """
        ...


def frame_limit_s(frame: EncapsulatedFrame, longest_s: float) -> float:
    """The time that the decoding of a frame of its size may take; one that hangs soon gives way to the next film.

    Args:
        frame: which is to be decoded.
        longest_s: for the largest frame.
    """
    megapixels = frame.module.rows * frame.module.columns * frame.module.samples / 1e6
    rate = TRANSFER_SYNTAXES[frame.transfer_syntax].seconds_per_megapixel
    return min(longest_s, _LEAST_S + rate * megapixels)


def decode_frame(frame: EncapsulatedFrame, *, has_charls: bool = HAS_CHARLS) -> NDArray[Any]:
    """Decode in this process: a `FrameDecoder` for files whose origin is known.

    Without CharLS, GDCM decodes JPEG-LS; public frames make it hang, so that only a limit of time ends it.
    """
    configure_libraries()
    syntax = uid.UID(frame.transfer_syntax)
    codec = TRANSFER_SYNTAXES[syntax].codec or ""
    if codec == "pyjpegls" and not has_charls:
        codec = "gdcm"
    # Run lengths hold the words as they are; what other syntaxes leave in unused bits is masked by the caller.
    options = frame.module.options | {"correct_unused_bits": False}
    with parsing(f"{name_of(syntax)} frame"):
        encoded = _codestream(bytes(frame.data), _END_OF_IMAGE if codec == "pyjpegls" else b"")
        if codec == "pyjpegls" and frame.module.is_gray and not frame.module.signed:
            _precision(encoded, codec, frame.module)
            return _charls(encoded, frame.module)
        if codec == "run_lengths":
            words = unpack(encoded, frame.module)
            options["planar_configuration"] = 1
            pixels, left = get_decoder(uid.ExplicitVRLittleEndian).as_array(words, raw=True, **options)
        else:
            # Told fewer bits than the frame has, GDCM cuts the upper ones.
            options["bits_stored"] = _precision(encoded, codec, frame.module)
            decoder = get_decoder(_READ_AS.get(syntax, syntax))
            one_fragment = encapsulate([encoded], has_bot=False)
            pixels, left = decoder.as_array(one_fragment, decoding_plugin=codec, raw=True, **options)
        to_rgb(pixels, str(left["photometric_interpretation"]))
    decoded: NDArray[Any] = pixels
    return decoded


def _charls(encoded: bytes, module: ImagePixel) -> NDArray[Any]:
    """The words [H, W] of a gray JPEG-LS frame: as pydicom gives them, which copies the frame and the pixels again."""
    pixels, header = import_module("jpeg_ls").decode_pixel_data(encoded)
    word = np.uint8 if header["bits_per_sample"] <= _BYTE_BITS else np.dtype("<u2")
    decoded: NDArray[Any] = np.frombuffer(pixels, word).reshape(module.rows, module.columns)
    return decoded


def _codestream(fragments: bytes, end: bytes) -> bytes:
    """What is in the fragments, as one, with `end` behind it: one copy, where pydicom makes three.

    All of them belong to the one frame, whatever a wrong offset table states. Source: PS3.5 A.4.
    """
    content = memoryview(fragments)

    def end_of(start: int) -> int:
        """Of the item whose content starts there, whose length is before it."""
        return start + int.from_bytes(content[start - 4 : start], "little")

    if not fragments.startswith(_ITEM):
        msg = "there is no item for the offset table"
        raise ValueError(msg)
    stream = BytesIO(fragments)  # shares the bytes
    stream.seek(end_of(_HEAD))
    starts = [item + _HEAD for item in parse_fragments(stream)[1]]
    return b"".join([*(content[start : end_of(start)] for start in starts), end])


def _precision(frame: bytes, codec: str, module: ImagePixel) -> int:
    """The bits of each value; refused are a frame of another size or of more bits than the data set states.

    GDCM answers a JPEG-LS frame of another size with its lines shifted against each other, or aborts; pydicom cuts
    the upper bits of values that do not fit.
    """
    rows, columns, samples, precision = _jpeg_2000_header(frame) if codec == "pylibjpeg" else _jpeg_header(frame, codec)
    stated = (module.rows, module.columns, module.samples)
    if (rows, columns, samples) != stated or precision > module.bits_allocated:
        msg = (
            f"the compressed frame has {rows} x {columns} pixels of {samples} samples of {precision} bits and the data "
            f"set states {module.rows} x {module.columns} of {module.samples} of up to {module.bits_allocated}; "
            "export the film again"
        )
        raise InvalidImageError(msg)
    return precision


def _jpeg_header(frame: bytes, codec: str) -> tuple[int, int, int, int]:
    """Rows, columns, samples and precision of JPEG and JPEG-LS. Source: ISO 10918-1 B.1, B.2.2; ISO 14495-1 C.2.2."""
    position = 2  # after the start of image
    while frame[position + 1] not in _START_OF_FRAME:
        # 0xFF may be repeated before a marker
        fill = frame[position + 1] == 0xFF  # noqa: PLR2004 the byte that starts every marker
        position += 1 if fill else 2 + int.from_bytes(frame[position + 2 : position + 4])
    if count_scans(frame) > _MOST_SCANS:
        msg = (
            f"the compressed frame has more than {_MOST_SCANS} scans, and each is decoded over the whole film; send it "
            "uncompressed"
        )
        raise InvalidImageError(msg)
    precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, position + 4)
    if frame[position + 1] == _JPEG_LS and codec == "gdcm":
        _check_presets(frame, 2**precision - 1)
    return rows, columns, samples, precision


def _check_presets(frame: bytes, largest: int) -> None:
    """Refuse JPEG-LS coding parameters outside their ranges: GDCM then loops for ever, or reads outside its buffers.

    Source: ISO 14495-1 C.2.3, C.2.4.1.1; 0 stands for a default. Other values of RESET than the default are allowed
    there, but no encoder of films is known to choose them, and GDCM hangs on 5 and on 256.
    """
    near = max(scan[2 * scan[0] + 1] for scan in (match[1] for match in _SCAN.finditer(frame)))
    presets = [struct.unpack(">5H", match[1]) for match in _PRESETS.finditer(frame)]
    for maximum, *thresholds, reset in presets or [(0, 0, 0, 0, 0)]:
        chosen = [threshold for threshold in thresholds if threshold]
        ranges = [near + 1, *chosen, maximum or largest, largest]
        if ranges != sorted(ranges) or 2 * near > ranges[-2] or reset not in (0, _RESET):
            msg = "the JPEG-LS frame has coding parameters outside their ranges; export the film again"
            raise InvalidImageError(msg)


def _jpeg_2000_header(frame: bytes) -> tuple[int, int, int, int]:
    """The same of JPEG 2000, whose size segment comes first; some writers put the frame into a JP2 file before.

    Source: ISO 15444-1 A.5.1.
    """
    start = frame.index(b"\xff\x4f\xff\x51")
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    samples, depth = struct.unpack_from(">HB", frame, start + 40)
    return bottom - top, right - left, samples, (depth & 0x7F) + 1
