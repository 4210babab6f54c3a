"""Blank films of any size in small files: one of each kind that is read, since each kind costs another memory."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from pydicom import uid

from tests.imaging.compressed import compressed_film
from tests.imaging.files import GRAY, GRAY_ALPHA, PALETTE, RGB, chunk, dicom_bytes, dicom_dataset

RGBA = 6
_SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
_STEP = 10**6

Film = Callable[[int, int], bytes]
"""Makes the file of a film with so many rows and columns."""


def _png(depth: int, colour: int, *extra: bytes) -> Film:
    def film(rows: int, columns: int) -> bytes:
        packer = zlib.compressobj(1)
        size = rows * (1 + (columns * depth * _SAMPLES[colour] + 7) // 8)
        packed = b"".join(packer.compress(bytes(min(_STEP, size - start))) for start in range(0, size, _STEP))
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0))
        pixels = chunk(b"IDAT", packed + packer.flush())
        return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND")

    return film


def _jpeg(mode: str, **options: Any) -> Film:
    def film(rows: int, columns: int) -> bytes:
        stream = io.BytesIO()
        Image.new(mode, (columns, rows)).save(stream, "JPEG", **options)
        return stream.getvalue()

    return film


def _dicom(dtype: type[np.generic], syntax: str, **attributes: Any) -> Film:
    def film(rows: int, columns: int) -> bytes:
        return dicom_bytes(dicom_dataset(np.zeros((rows, columns), dtype), **attributes), syntax)

    return film


def _colour_dicom(photometric: str, *, planar: int = 0) -> Film:
    def film(rows: int, columns: int) -> bytes:
        dataset = dicom_dataset(np.zeros((1, 2), np.uint8), Rows=rows, Columns=columns, SamplesPerPixel=3)
        dataset.PhotometricInterpretation = photometric
        dataset.PlanarConfiguration = planar
        dataset.PixelData = bytes(rows * columns * (2 if photometric == "YBR_FULL_422" else 3))
        return dicom_bytes(dataset)

    return film


def _compressed(syntax: str, dtype: type[np.generic] = np.uint16) -> Film:
    def film(rows: int, columns: int) -> bytes:
        bits = 8 if dtype is np.uint8 else 12
        return compressed_film(np.zeros((rows, columns), dtype), syntax, bits_stored=bits)

    return film


_ENTRIES = chunk(b"PLTE", bytes(range(6)))
_VALUE = chunk(b"tRNS", bytes(2))
_COLOUR = chunk(b"tRNS", bytes(6))
_OPACITIES = chunk(b"tRNS", b"\x80\x00")

PICTURES: Mapping[str, Film] = {
    "png 1": _png(1, GRAY),
    "png 1 with a transparent value": _png(1, GRAY, _VALUE),
    "png 8": _png(8, GRAY),
    "png 8 with a transparent value": _png(8, GRAY, _VALUE),
    "png 16": _png(16, GRAY),
    "png 16 with a transparent value": _png(16, GRAY, _VALUE),
    "png palette": _png(8, PALETTE, _ENTRIES),
    "png palette with alpha": _png(8, PALETTE, _ENTRIES, _OPACITIES),
    "png palette of 1 bit with alpha": _png(1, PALETTE, _ENTRIES, _OPACITIES),
    "png gray and alpha": _png(8, GRAY_ALPHA),
    "png gray and alpha 16": _png(16, GRAY_ALPHA),
    "png rgb": _png(8, RGB),
    "png rgb with a transparent colour": _png(8, RGB, _COLOUR),
    "png rgb 16": _png(16, RGB),
    "png rgba": _png(8, RGBA),
    "png rgba 16": _png(16, RGBA),
    "jpeg gray": _jpeg("L"),
    "jpeg gray progressive": _jpeg("L", progressive=True),
    "jpeg colour": _jpeg("RGB", subsampling=0),
    "jpeg colour progressive": _jpeg("RGB", progressive=True, subsampling=0),
    "jpeg cmyk": _jpeg("CMYK"),
    "jpeg cmyk progressive": _jpeg("CMYK", progressive=True),
}
"""Files of some kB to some hundred kB, whatever their size."""

NATIVE: Mapping[str, Film] = {
    "dicom 8": _dicom(np.uint8, uid.ExplicitVRLittleEndian),
    "dicom 12 of 16": _dicom(np.uint16, uid.ExplicitVRLittleEndian, bits_stored=12),
    "dicom 16 signed, with a window": _dicom(np.int16, uid.ImplicitVRLittleEndian, WindowCenter=0, WindowWidth=900),
    "dicom 16 big endian, with padding":
        _dicom(np.uint16, uid.ExplicitVRBigEndian, bits_stored=12, PixelPaddingValue=65535),
    "dicom rgb": _colour_dicom("RGB"),
    "dicom rgb by plane": _colour_dicom("RGB", planar=1),
    "dicom ybr": _colour_dicom("YBR_FULL"),
    "dicom ybr 422": _colour_dicom("YBR_FULL_422"),
}  # fmt: skip

COMPRESSED: Mapping[str, Film] = {
    "dicom baseline jpeg": _compressed(uid.JPEGBaseline8Bit, np.uint8),
    **{
        f"dicom {name}": _compressed(syntax)
        for name, syntax in (
            ("lossless jpeg", uid.JPEGLosslessSV1),
            ("jpeg-ls", uid.JPEGLSLossless),
            ("jpeg 2000", uid.JPEG2000Lossless),
            ("run lengths", uid.RLELossless),
        )
    },
}
"""Decoded in a child."""


def large_films(rows: int, columns: int) -> Mapping[str, Callable[[], bytes]]:
    """Each kind whose file is small."""
    return {name: partial(film, rows, columns) for name, film in (PICTURES | COMPRESSED).items()}
