"""DICOM files to radiographs: the right kind of film first, its size next, its pixels last.

Source: DICOM PS3.10 7.1 (file meta information), PS3.5 A (transfer syntaxes), PS3.3 C.7.6.3 (Image Pixel module).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pydicom.config
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imaging.attributes import integer, raw_bytes, text
from imaging.grayscale import grayscale
from imaging.limits import BoundedReader, DecodeLimits, parsing
from imaging.radiograph import Radiograph
from schemas.errors import InvalidImageError, NotARadiographError, UnsupportedImageError

# The few values that are read are checked here. pydicom's own checks refuse films over a decimal of 17
# characters, and warn with the value.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

_FILE_META_OFFSET = 132
_FILE_META_GROUP = 0x0002
_MODALITIES = ("CR", "DX")
_POLARITIES = ("MONOCHROME1", "MONOCHROME2")
# PS3.3 C.8.11.1.1.2 / C.8.1.1: left and right lateral, and oblique; the last three are met in practice.
_NOT_FRONTAL = ("LL", "RL", "LLO", "RLO", "LAT", "LATERAL", "OBLIQUE")
# PS3.16 annex L, and what vendors write around it (PORT CHEST, THORAX AP).
_CHEST_WORDS = ("CHEST", "THORA", "LUNG")
_DEPTHS = {8: np.uint8, 16: np.uint16}


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How a data set and its pixels are written."""

    implicit_vr: bool
    little_endian: bool


TRANSFER_SYNTAXES: Mapping[str, TransferSyntax] = MappingProxyType(
    {
        ImplicitVRLittleEndian: TransferSyntax(implicit_vr=True, little_endian=True),
        ExplicitVRLittleEndian: TransferSyntax(implicit_vr=False, little_endian=True),
        ExplicitVRBigEndian: TransferSyntax(implicit_vr=False, little_endian=False),
    }
)
"""Every transfer syntax that is decoded; any other is refused before its data set is touched.

Deflated Explicit VR Little Endian stays out: 1 MB of it became 2.1 GB.
"""

_ATTRIBUTES = (
    "BitsAllocated",
    "BitsStored",
    "BodyPartExamined",
    "BurnedInAnnotation",
    "Columns",
    "HighBit",
    "Modality",
    "ModalityLUTSequence",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelData",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "PixelRepresentation",
    "PresentationIntentType",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SamplesPerPixel",
    "VOILUTFunction",
    "VOILUTSequence",
    "ViewPosition",
    "WindowCenter",
    "WindowWidth",
)
"""Everything that is read from a data set: a patient's name is not even parsed."""


def decode_dicom(data: bytes, limits: DecodeLimits) -> Radiograph:
    """Decode an uncompressed DICOM file; arguments and errors as in `imaging.decode.decode`."""
    dataset, syntax = _read(data, limits)
    _check_kind(dataset)
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    frames = integer(dataset, "NumberOfFrames", default=1)
    limits.check_size(rows, columns, frames)
    if frames != 1:
        msg = f"the DICOM object has {frames} frames; send one film"
        raise NotARadiographError(msg)
    photometric_interpretation = text(dataset, "PhotometricInterpretation")
    bits_allocated, bits_stored = integer(dataset, "BitsAllocated"), integer(dataset, "BitsStored")
    if bits_allocated not in _DEPTHS or not 1 <= bits_stored <= bits_allocated:
        msg = "BitsAllocated must be 8 or 16, and BitsStored within it; export the film with up to 16 bits"
        raise UnsupportedImageError(msg)
    shown = grayscale(
        dataset,
        bits_stored=bits_stored,
        signed=integer(dataset, "PixelRepresentation", default=0) == 1,
        inverted=photometric_interpretation == "MONOCHROME1",
    )
    patterns = _stored_patterns(dataset, syntax, rows * columns, bits_allocated, bits_stored)
    return Radiograph(
        pixels=shown.table[patterns].reshape(rows, columns),
        bits=shown.bits,
        format="dicom",
        rows=rows,
        columns=columns,
        photometric_interpretation=photometric_interpretation,
        warnings=(*_attribute_warnings(dataset), *shown.warnings),
    )


def _read(data: bytes, limits: DecodeLimits) -> tuple[Dataset, TransferSyntax]:
    """The attributes that are needed, after the file meta information has said that they can be read.

    `pydicom.dcmread` would inflate a deflated data set before its syntax can be refused, and
    reading the meta information twice would let two readers disagree about it.
    """
    stream = BoundedReader(data, limits.max_reads)
    stream.seek(_FILE_META_OFFSET)
    with parsing("DICOM file meta information"):
        meta = Dataset(
            {
                element.tag: element
                for element in data_element_generator(
                    stream,
                    is_implicit_VR=False,
                    is_little_endian=True,
                    stop_when=lambda tag, _vr, _length: tag >> 16 != _FILE_META_GROUP,
                    specific_tags=[Tag("TransferSyntaxUID")],
                )
            }
        )
        uid = UID(meta.get("TransferSyntaxUID") or "")
        name = uid.name if uid.type == "Transfer Syntax" else "an unknown transfer syntax"
    if not uid:
        msg = "the DICOM file meta information states no TransferSyntaxUID; export the film again"
        raise InvalidImageError(msg)
    if uid not in TRANSFER_SYNTAXES:
        supported = ", ".join(UID(known).name for known in TRANSFER_SYNTAXES)
        msg = f"the DICOM file is written in {name}; send it in one of: {supported}"
        raise UnsupportedImageError(msg)
    syntax = TRANSFER_SYNTAXES[uid]
    with parsing("DICOM data set"):
        dataset = Dataset(
            {
                element.tag: element
                for element in data_element_generator(
                    stream,
                    is_implicit_VR=syntax.implicit_vr,
                    is_little_endian=syntax.little_endian,
                    specific_tags=[Tag(keyword) for keyword in _ATTRIBUTES],
                )
            }
        )
    return dataset, syntax


def _check_kind(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        msg = "the DICOM object holds no PixelData; send a CR or DX image"
        raise NotARadiographError(msg)
    if text(dataset, "Modality") not in _MODALITIES:
        msg = f"the DICOM object's Modality is none of {', '.join(_MODALITIES)}; send a projection radiograph"
        raise NotARadiographError(msg)
    is_gray = text(dataset, "PhotometricInterpretation") in _POLARITIES
    if not is_gray or integer(dataset, "SamplesPerPixel", default=1) != 1:
        msg = f"the DICOM object's PhotometricInterpretation is none of {', '.join(_POLARITIES)}; send a gray film"
        raise NotARadiographError(msg)


def _stored_patterns(
    dataset: Dataset, syntax: TransferSyntax, pixels: int, bits_allocated: int, bits_stored: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The BitsStored bits of each pixel, without what other bits may hold. Source: PS3.5 8.1.1."""
    data = raw_bytes(dataset, "PixelData")
    size_bytes = pixels * bits_allocated // 8
    if len(data) < size_bytes:
        msg = f"PixelData has {len(data)} bytes; Rows and Columns ask for {size_bytes}: the film is truncated"
        raise InvalidImageError(msg)
    word = np.dtype(_DEPTHS[bits_allocated]).newbyteorder("<" if syntax.little_endian else ">")
    shift = integer(dataset, "HighBit", default=bits_stored - 1) + 1 - bits_stored
    if not 0 <= shift <= bits_allocated - bits_stored:
        msg = "HighBit does not fit BitsStored and BitsAllocated; export the film again"
        raise InvalidImageError(msg)
    patterns = np.frombuffer(data, word, pixels)
    stored: NDArray[np.uint8] | NDArray[np.uint16] = (patterns >> shift) & (2**bits_stored - 1)
    return stored


def _attribute_warnings(dataset: Dataset) -> tuple[str, ...]:
    body_part = text(dataset, "BodyPartExamined")
    noticed = {
        "burned_in_annotation": text(dataset, "BurnedInAnnotation") == "YES",
        "not_frontal": text(dataset, "ViewPosition") in _NOT_FRONTAL,
        "body_part_mismatch": bool(body_part) and not any(word in body_part for word in _CHEST_WORDS),
        "for_processing": text(dataset, "PresentationIntentType") == "FOR PROCESSING",
    }
    return tuple(name for name, is_true in noticed.items() if is_true)
