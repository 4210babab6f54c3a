"""Image files that the tests make byte by byte, because no library here writes them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

GRAY = 0
RGB = 2
PALETTE = 3
GRAY_ALPHA = 4
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    rows: int, columns: int, depth: int, colour: int, scanlines: bytes, *, extra: bytes = b"", interlaced: bool = False
) -> bytes:
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(scanlines)) + chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + body


def png_of(pixels: NDArray[Any], colour: int, *, extra: bytes = b"", interlaced: bool = False) -> bytes:
    """A PNG of 8 or 16 bits a sample; `pixels` is [H, W] or [H, W, samples]."""
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"))
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    scanlines = b"".join(
        b"\0" + row.tobytes() for top, left, down, right in passes for row in big_endian[top::down, left::right]
    )
    rows, columns = pixels.shape[:2]
    return png(rows, columns, 8 * pixels.itemsize, colour, scanlines, extra=extra, interlaced=interlaced)


def dicom_dataset(stored: NDArray[Any], *, bits_stored: int | None = None, **attributes: Any) -> Dataset:
    """A chest film of `stored` values, int or uint, [H, W]; `attributes` change or add, None removes."""
    bits_stored = bits_stored or 8 * stored.itemsize
    dataset = Dataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["film"])
    dataset.PatientName = "Marker^Patient"
    dataset.PatientID = "MARKER-ID"
    dataset.Modality = "DX"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 8 * stored.itemsize
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = int(np.issubdtype(stored.dtype, np.signedinteger))
    mask = 2**bits_stored - 1
    patterns = stored.view(f"u{stored.itemsize}") & mask
    dataset.PixelData = patterns.tobytes() + b"\0" * (patterns.nbytes % 2)
    dataset["PixelData"].VR = "OW" if stored.itemsize > 1 else "OB"
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def dicom_bytes(dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The DICOM file of `dataset`, whose PixelData is in little-endian order."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", ComputedRadiographyImageStorage)
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax)
    written = Dataset(dataset)
    written.file_meta = meta
    syntax = pydicom.uid.UID(transfer_syntax)
    if not syntax.is_little_endian and dataset.BitsAllocated > 8:
        written.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    stream = io.BytesIO()
    dcmwrite(
        stream,
        written,
        enforce_file_format=True,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
    )
    return stream.getvalue()


def lookup_table(first: int, bits: int, entries: list[int], *, signed: bool = False) -> list[Dataset]:
    """A sequence of one lookup table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    return [item]


def pillow(image: Image.Image, image_format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()
