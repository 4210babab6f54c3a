"""Small files that ask for a lot of memory or time."""

import zlib

ZEROS = bytes(10**6)


def deflated_zeros(megabytes):
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(ZEROS) for _ in range(megabytes)) + packer.flush()


def png_with(kind, content):
    return png(40, 32, 8, 0, bytes(40 * 33), extra=chunk(kind, content))


def lying(**attributes):
    return dicom_bytes(dicom_dataset(FILM, **attributes))


def huge_jpeg2000():
    """A code stream whose SIZ segment claims 65,000 x 65,000 samples (ISO 15444-1 A.5.1)."""
    content = compressed_film(FILM, JPEG2000Lossless)
    start = content.index(b"\xff\x4f\xff\x51")
    sizes = (65000).to_bytes(4, "big")
    return content[: start + 8] + sizes + sizes + content[start + 16 :]


def deflated_dicom():
    plain = dicom_bytes(dicom_dataset(FILM))
    body = plain.index(b"\x08\x00\x16\x00")
    head = dicom_bytes(dicom_dataset(FILM)).replace(
        b"1.2.840.10008.1.2.1\0", f"{DeflatedExplicitVRLittleEndian}".encode()
    )
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(plain[body:]) + b"".join(packer.compress(ZEROS) for _ in range(1000)) + packer.flush()
    at = head.index(b"\x08\x00\x16\x00")
    return head[:at] + packed


BOMBS = {
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
        encapsulate([b"\1" + bytes(63) + b"\x81\0" * 5_000_000]), "1.2.840.10008.1.2.5", FILM
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


