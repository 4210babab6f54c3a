"""DICOM files to radiographs: the right kind of film first, its size next, its pixels last.

Source: DICOM PS3.3 C.7.6.3 (Image Pixel module), C.9.2 (overlays).
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from imaging.dicom.attributes import (
    ASPECT_ATTRIBUTES,
    OVERLAY_ROWS,
    OVERLAYS,
    encapsulated_view,
    pixel_aspect,
    raw_view,
    text,
)
from imaging.dicom.codecs import EncapsulatedFrame, FrameDecoder
from imaging.dicom.colour import native_colour
from imaging.dicom.dataset import read_elements
from imaging.dicom.grayscale import grayscale, padding_range
from imaging.dicom.header.facts import HEADER_ATTRIBUTES, attribute_warnings, hanging, header_facts
from imaging.dicom.pixel_data import (
    DEPTHS,
    ImagePixel,
    Pixels,
    check_length,
    check_unused_bits,
    image_pixel,
    in_pair_order,
    is_identity,
    native_words,
    of_every_word,
    within,
)
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, TransferSyntax, name_of
from imaging.limits import DecodeLimits
from imaging.luminance import luminance
from imaging.memory.bands import bands
from imaging.memory.budget import peak_bytes
from imaging.radiograph import Radiograph
from schemas.errors import InvalidImageError, NotARadiographError, UnsupportedImageError

MODALITIES = ("CR", "DX")
_BYTE_BITS = 8

_COPIES = 5
"""Of a film's samples at the same time, where a child decodes it: in the codec, and on the way between processes."""
_ENCODED_COPIES = 6
"""Of its compressed frame."""

_ATTRIBUTES = (
    "BitsAllocated",
    "BitsStored",
    "BurnedInAnnotation",
    "Columns",
    "HighBit",
    "ModalityLUTSequence",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelData",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "PixelRepresentation",
    "PlanarConfiguration",
    "PresentationLUTShape",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SamplesPerPixel",
    "VOILUTFunction",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    *ASPECT_ATTRIBUTES,
    *HEADER_ATTRIBUTES,
)
"""Everything that is read from a data set: a patient's name is not even parsed."""


def decode_dicom(data: bytes, limits: DecodeLimits, frame_decoder: FrameDecoder | None) -> Radiograph:
    """Decode a DICOM file; arguments and errors as in `imaging.decode.decode`."""
    dataset, transfer_syntax = read_elements(data, limits, (*map(Tag, _ATTRIBUTES), *OVERLAYS))
    _check_kind(dataset)
    module = image_pixel(dataset, limits)
    limits.reserve(_decoding_bytes(dataset, module, TRANSFER_SYNTAXES[transfer_syntax]))
    facts = header_facts(dataset)
    warnings = attribute_warnings(dataset, TRANSFER_SYNTAXES[transfer_syntax], facts)
    if module.is_gray:
        levels = grayscale(
            dataset, bits_stored=module.bits_stored, signed=module.signed, inverted=_is_inverted(dataset, module)
        )
        pixels = _gray_pixels(dataset, transfer_syntax, module, frame_decoder, levels.table)
        bits = levels.bits
        pixel_warnings = levels.warnings
    else:
        colour = _colour(dataset, transfer_syntax, module, frame_decoder)
        pixels, is_coloured = luminance(colour, module.rows, module.columns)
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
        pixel_aspect=pixel_aspect(dataset),
        header=facts,
        turn=hanging(dataset).turn,
    )


def _decoding_bytes(dataset: Dataset, module: ImagePixel, syntax: TransferSyntax) -> int:
    """The most memory that the film will take, in this process and in the child that decodes it."""
    samples = module.samples * module.bits_allocated // _BYTE_BITS
    gray = 1 if module.bits_allocated == _BYTE_BITS else 2
    pixels = module.rows * module.columns
    if syntax.codec is None:
        return peak_bytes(pixels, decoding=samples if _is_swapped(dataset, syntax, module) else 0, gray=gray)
    encoded = len(encapsulated_view(dataset, "PixelData"))
    return peak_bytes(pixels, decoding=_COPIES * samples, gray=gray) + _ENCODED_COPIES * encoded


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


def _gray_pixels(
    dataset: Dataset,
    transfer_syntax: str,
    module: ImagePixel,
    frame_decoder: FrameDecoder | None,
    table: Pixels,
) -> Pixels:
    """The brightness [H, W] that the table gives to each stored pattern; 0 for padding that BitsStored cannot hold."""
    syntax = TRANSFER_SYNTAXES[transfer_syntax]
    if syntax.codec is None:
        words = native_words(_native_bytes(dataset, syntax, module), module, little_endian=syntax.little_endian)
    else:
        words = _decompressed(dataset, transfer_syntax, module, frame_decoder)
    padding = None
    shift = 0
    largest = None
    if syntax.codec in (None, "run_lengths"):  # run lengths hold the words as they stand: PS3.5 G
        padding = _padding_beyond(dataset, module)
        if not _has_embedded_overlay(dataset):
            check_unused_bits(words, module, padding)
        shift = module.high_bit + 1 - module.bits_stored
    elif not module.signed and words.max() > 2**module.bits_stored - 1:
        if syntax.lossless:
            msg = "the compressed frame holds values above BitsStored; export the film again"
            raise InvalidImageError(msg)
        largest = 2**module.bits_stored - 1  # beyond it is an encoder's overshoot at an edge
    if shift == 0 and padding is None and is_identity(table, words):
        return words
    pixels = np.empty(words.shape, table.dtype)
    whole = of_every_word(table, module, shift=shift)
    for band in bands(module.rows, module.columns):
        part = words[band] if largest is None else words[band].clip(max=largest)
        cv2.LUT(part.astype(DEPTHS[module.bits_allocated], copy=False), whole, dst=pixels[band])
        if padding is not None:
            pixels[band][within(part, module, padding)] = 0
    return pixels


def _native_bytes(dataset: Dataset, syntax: TransferSyntax, module: ImagePixel) -> memoryview:
    """Uncompressed Pixel Data; samples of 8 bits in the order of the film, whatever their VR."""
    data = raw_view(dataset, "PixelData")
    return in_pair_order(data) if _is_swapped(dataset, syntax, module) else data


def _is_swapped(dataset: Dataset, syntax: TransferSyntax, module: ImagePixel) -> bool:
    """Whether samples of 8 bits stand in big-endian words of two."""
    is_byte = module.bits_allocated == _BYTE_BITS
    return is_byte and not syntax.little_endian and bool(dataset.get_item("PixelData").VR == "OW")


def _padding_beyond(dataset: Dataset, module: ImagePixel) -> tuple[int, int] | None:
    """The ends of a padding value that the stored bits cannot hold, e.g. 65535 in a film of 12 bits."""
    ends = padding_range(dataset, signed=module.signed)
    lowest = -(2 ** (module.bits_stored - 1)) if module.signed else 0
    is_storable = ends is None or (lowest <= ends[0] and ends[1] < lowest + 2**module.bits_stored)
    return None if is_storable or module.high_bit != module.bits_stored - 1 else ends


def _has_embedded_overlay(dataset: Dataset) -> bool:
    """Whether an overlay plane states no data of its own: its bits stand in the pixels. Source: PS3.3 C.9.2 (2004)."""
    return any(tag in dataset and Tag(tag.group, 0x3000) not in dataset for tag in OVERLAYS if tag.elem == OVERLAY_ROWS)


def _colour(
    dataset: Dataset, transfer_syntax: str, module: ImagePixel, frame_decoder: FrameDecoder | None
) -> Callable[[slice], Image.Image]:
    """What gives some rows of a colour film in RGB."""
    syntax = TRANSFER_SYNTAXES[transfer_syntax]
    if syntax.codec is not None:
        pixels = _decompressed(dataset, transfer_syntax, module, frame_decoder)
        return lambda band: Image.fromarray(pixels[band])
    data = _native_bytes(dataset, syntax, module)
    samples = 2 if module.photometric_interpretation == "YBR_FULL_422" else 3
    check_length(data, module.rows * module.columns * samples)
    return lambda band: Image.fromarray(native_colour(data, module, band))


def _decompressed(
    dataset: Dataset, transfer_syntax: str, module: ImagePixel, frame_decoder: FrameDecoder | None
) -> NDArray[Any]:
    if frame_decoder is None:
        msg = (
            f"the film is compressed by {name_of(transfer_syntax)} and no frame decoder was given; send it uncompressed"
        )
        raise UnsupportedImageError(msg)
    data = encapsulated_view(dataset, "PixelData")
    pixels = frame_decoder(EncapsulatedFrame(data, transfer_syntax, module))
    shape = (module.rows, module.columns, module.samples)[: 2 if module.is_gray else 3]
    if pixels.shape != shape or 8 * pixels.itemsize > module.bits_allocated:
        msg = "the compressed frame has another size or depth than Rows, Columns and BitsAllocated; export it again"
        raise InvalidImageError(msg)
    return pixels
