"""Small files that ask for a lot of memory or time."""

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from pydicom import uid
from pydicom.encaps import encapsulate

from imaging.phantom import phantom
from tests.imaging.compressed import ENCODERS, compressed_film, encapsulated_film
from tests.imaging.files import chunk, dicom_bytes, dicom_dataset, png
from tests.imaging.mutated_frames import progressive_jpeg

FILM = phantom(64, 48, seed=2)
WIDE = phantom(1000, 1000, seed=2)
ZEROS = bytes(10**6)


def deflated_zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(ZEROS) for _ in range(megabytes)) + packer.flush()


def png_with(kind: bytes, content: bytes) -> bytes:
    return png(40, 32, 8, 0, bytes(40 * 33), extra=chunk(kind, content))


def lying(**attributes: Any) -> bytes:
    return dicom_bytes(dicom_dataset(FILM, **attributes))


def huge_jpeg2000() -> bytes:
    """A code stream whose SIZ segment claims 65,000 x 65,000 samples (ISO 15444-1 A.5.1)."""
    content = compressed_film(FILM, uid.JPEG2000Lossless)
    start = content.index(b"\xff\x4f\xff\x51")
    sizes = (65000).to_bytes(4, "big")
    return content[: start + 8] + sizes + sizes + content[start + 16 :]


def counting_jpeg_ls() -> bytes:
    """A frame whose coding parameters make GDCM count for ever: RESET 5 and NEAR 3 (ISO 14495-1 C.2.4.1.1)."""
    frame = ENCODERS[uid.JPEGLSLossless](FILM, 8)
    scan = frame.index(b"\xff\xda")
    presets = b"\xff\xf8" + struct.pack(">HB5H", 13, 1, 0, 34, 42, 44, 5)
    near = scan + 7
    spoilt = frame[:scan] + presets + frame[scan:near] + b"\3" + frame[near + 1 :]
    return encapsulated_film(encapsulate([spoilt]), uid.JPEGLSLossless, FILM)


def deflated_dicom() -> bytes:
    plain = dicom_bytes(dicom_dataset(FILM))
    body = plain.index(b"\x08\x00\x16\x00")
    head = dicom_bytes(dicom_dataset(FILM)).replace(
        b"1.2.840.10008.1.2.1\0", f"{uid.DeflatedExplicitVRLittleEndian}".encode()
    )
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(plain[body:]) + b"".join(packer.compress(ZEROS) for _ in range(1000)) + packer.flush()
    at = head.index(b"\x08\x00\x16\x00")
    return head[:at] + packed


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "PNG of 900 million pixels": lambda: png(30_000, 30_000, 8, 0, b"").replace(
        chunk(b"IDAT", zlib.compress(b"")), chunk(b"IDAT", deflated_zeros(900))
    ),
    "PNG whose pixels never end": lambda: png(40, 32, 8, 0, b"").replace(
        chunk(b"IDAT", zlib.compress(b"")), chunk(b"IDAT", b"\x78\x9c" + b"\x01\x00\x00\xff\xff" * 100_000)
    ),
    "PNG with a text of a gigabyte": lambda: png_with(b"zTXt", b"a\0\0" + deflated_zeros(1000)),
    "PNG with a profile of a gigabyte": lambda: png_with(b"iCCP", b"a\0\0" + deflated_zeros(1000)),
    "JPEG 2000 of 4 billion samples": huge_jpeg2000,
    "RLE that goes on for ever": lambda: encapsulated_film(
        encapsulate([b"\1" + bytes(63) + b"\x81\0" * 5_000_000]), uid.RLELossless, FILM
    ),
    "RLE of codes for nothing": lambda: encapsulated_film(
        encapsulate([b"\1" + bytes(63) + b"\x80" * 40_000_000]), uid.RLELossless, FILM
    ),
    "JPEG-LS that counts for ever": counting_jpeg_ls,
    "DICOM JPEG of 200,000 scans": lambda: encapsulated_film(
        encapsulate([progressive_jpeg(WIDE, empty_scans=200_000)]), uid.JPEGBaseline8Bit, WIDE
    ),
    "deflated DICOM of a gigabyte": deflated_dicom,
    "Rows and Columns of 65535": lambda: lying(Rows=65535, Columns=65535),
    "Rows over the bytes there are": lambda: lying(Rows=6000, Columns=6000),
    "100 million frames": lambda: lying(NumberOfFrames=100_000_000),
    "BitsAllocated of 64": lambda: lying(BitsAllocated=64),
}
CUT_OFF = {
    "PNG with a text of a gigabyte",
    "PNG with a profile of a gigabyte",
    "PNG whose pixels never end",
}
"""Decoders stop once they have the pixels; what follows is never unpacked, and the film may be answered."""
