"""DICOM files to radiographs: the right kind of film first, its size next, its pixels last.

Source: DICOM PS3.3 C.7.6.3 (Image Pixel module), C.9.2 (overlays).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from imaging.dicom.attributes import encapsulated_bytes, integer, raw_bytes, text
from imaging.dicom.codecs import EncapsulatedFrame, FrameDecoder
from imaging.dicom.dataset import read_elements
from imaging.dicom.grayscale import grayscale
from imaging.dicom.pixel_data import ImagePixel, Pixels, check_length, image_pixel, native_words, stored_patterns
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, name_of
from imaging.limits import DecodeLimits, parsing
from imaging.luminance import luminance
from imaging.radiograph import Radiograph
from schemas.errors import InvalidImageError, NotARadiographError, UnsupportedImageError

MODALITIES = ("CR", "DX")
# PS3.3 C.8.11.1.1.2 / C.8.1.1: left and right lateral, and oblique; the last three are met in practice.
_NOT_FRONTAL = ("LL", "RL", "LLO", "RLO", "LAT", "LATERAL", "OBLIQUE")
# PS3.16 annex L, and what vendors write around it (PORT CHEST, THORAX AP).
_CHEST_WORDS = ("CHEST", "THORA", "LUNG")
_POLARITY_BY_SHAPE = {"IDENTITY": "MONOCHROME2", "INVERSE": "MONOCHROME1"}  # PS3.3 C.8.11.3.1.2
# PS3.3 C.9.2: Overlay Rows or Overlay Data of any of the 16 planes.
_OVERLAYS = tuple(Tag(0x6000 + 2 * plane, element) for plane in range(16) for element in (0x0010, 0x3000))

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
    "PlanarConfiguration",
    "PresentationIntentType",
    "PresentationLUTShape",
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


def decode_dicom(data: bytes, limits: DecodeLimits, frame_decoder: FrameDecoder | None) -> Radiograph:
    """Decode a DICOM file; arguments and errors as in `imaging.decode.decode`."""
    dataset, transfer_syntax = read_elements(data, limits, (*map(Tag, _ATTRIBUTES), *_OVERLAYS))
    _check_kind(dataset)
    module = image_pixel(dataset, limits)
    warnings = _attribute_warnings(dataset)
    if module.is_gray:
        levels = grayscale(
            dataset, bits_stored=module.bits_stored, signed=module.signed, inverted=_is_inverted(dataset, module)
        )
        pixels = levels.table[_gray_patterns(dataset, transfer_syntax, module, frame_decoder)]
        bits = levels.bits
        pixel_warnings = levels.warnings
    else:
        colour = _colour_pixels(dataset, transfer_syntax, module, frame_decoder)
        pixels, is_coloured = luminance(Image.fromarray(colour))
        bits = 8
        pixel_warnings = ("colour_image",) if is_coloured else ()
    return Radiograph(
        pixels=pixels,
        bits=bits,
        format="dicom",
        rows=module.rows,
        columns=module.columns,
        photometric_interpretation=module.photometric_interpretation,
        warnings=(*warnings, *pixel_warnings),
    )


def _check_kind(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        msg = "the DICOM object holds no PixelData; send a CR or DX image"
        raise NotARadiographError(msg)
    if text(dataset, "Modality") not in MODALITIES:
        msg = f"the DICOM object's Modality is not one of {', '.join(MODALITIES)}; send a projection radiograph"
        raise NotARadiographError(msg)


def _is_inverted(dataset: Dataset, module: ImagePixel) -> bool:
    """Whether the smallest value is white.

    MONOCHROME1 and the shape INVERSE mean the same and go together (PS3.3 C.8.11.3.1.2): inverted once. A file
    that states only one of the two is inverted too, with the warning `polarity_contradiction`.
    """
    return module.photometric_interpretation == "MONOCHROME1" or text(dataset, "PresentationLUTShape") == "INVERSE"


def _gray_patterns(
    dataset: Dataset, transfer_syntax: str, module: ImagePixel, frame_decoder: FrameDecoder | None
) -> Pixels:
    syntax = TRANSFER_SYNTAXES[transfer_syntax]
    low_bit = module.high_bit + 1 - module.bits_stored
    if syntax.codec is None:
        words = native_words(raw_bytes(dataset, "PixelData"), module, little_endian=syntax.little_endian)
        return stored_patterns(words, module, shift=low_bit)
    words = _decompressed(dataset, transfer_syntax, module, frame_decoder)
    if syntax.codec == "run_lengths":
        return stored_patterns(words, module, shift=low_bit)  # run lengths hold the words as they stand: PS3.5 G
    largest = 2**module.bits_stored - 1
    if not module.signed and words.max() > largest:
        if syntax.lossless:
            msg = "the compressed frame holds values above BitsStored; export the film again"
            raise InvalidImageError(msg)
        words = words.clip(max=largest)  # an encoder's overshoot at an edge
    return stored_patterns(words, module, shift=0)


def _colour_pixels(
    dataset: Dataset, transfer_syntax: str, module: ImagePixel, frame_decoder: FrameDecoder | None
) -> NDArray[np.uint8]:
    """RGB, uint8 [H, W, 3]."""
    if TRANSFER_SYNTAXES[transfer_syntax].codec is not None:
        return _decompressed(dataset, transfer_syntax, module, frame_decoder)
    data = raw_bytes(dataset, "PixelData")
    samples = 2 if module.photometric_interpretation == "YBR_FULL_422" else 3
    check_length(data, module.rows * module.columns * samples)
    with parsing("DICOM colour pixels"):
        # 8 bits a sample have no byte order.
        pixels, _ = get_decoder(ExplicitVRLittleEndian).as_array(data, **module.options)
    colour: NDArray[np.uint8] = pixels
    return colour


def _decompressed(
    dataset: Dataset, transfer_syntax: str, module: ImagePixel, frame_decoder: FrameDecoder | None
) -> NDArray[Any]:
    if frame_decoder is None:
        msg = (
            f"the film is compressed by {name_of(transfer_syntax)} and no frame decoder was given; send it uncompressed"
        )
        raise UnsupportedImageError(msg)
    data = encapsulated_bytes(dataset, "PixelData")
    pixels = frame_decoder(EncapsulatedFrame(data, transfer_syntax, module))
    shape = (module.rows, module.columns, module.samples)[: 2 if module.is_gray else 3]
    if pixels.shape != shape or 8 * pixels.itemsize > module.bits_allocated:
        msg = "the compressed frame has another size or depth than Rows, Columns and BitsAllocated; export it again"
        raise InvalidImageError(msg)
    return pixels


def _attribute_warnings(dataset: Dataset) -> tuple[str, ...]:
    body_part = text(dataset, "BodyPartExamined")
    photometric = text(dataset, "PhotometricInterpretation")
    conditions = {
        "burned_in_annotation": text(dataset, "BurnedInAnnotation") == "YES",
        "not_frontal": text(dataset, "ViewPosition") in _NOT_FRONTAL,
        "body_part_mismatch": bool(body_part) and not any(word in body_part for word in _CHEST_WORDS),
        "overlay": any(tag in dataset for tag in _OVERLAYS),
        "polarity_contradiction": _POLARITY_BY_SHAPE.get(text(dataset, "PresentationLUTShape"), photometric)
        != photometric,
        "frame_count_zero": integer(dataset, "NumberOfFrames", default=1) == 0,
        "for_processing": text(dataset, "PresentationIntentType") == "FOR PROCESSING",
    }
    return tuple(name for name, is_true in conditions.items() if is_true)
