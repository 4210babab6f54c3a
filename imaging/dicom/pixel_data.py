"""The Image Pixel module of a film: its numbers, checked, and the stored values of uncompressed Pixel Data.

Source: DICOM PS3.3 C.7.6.3, PS3.5 8.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from imaging.dicom.attributes import integer, text
from imaging.limits import DecodeLimits
from imaging.memory.bands import bands
from schemas.errors import InvalidImageError, NotARadiographError, UnsupportedImageError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

GRAY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""Of secondary captures of films. A palette is refused: what its colours mean for a film is unknown."""

DEPTHS = {8: np.uint8, 16: np.uint16}
_BYTE_BITS = 8
_COLOUR_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class ImagePixel:
    """The numbers that the decoding of one frame needs; nothing of the patient."""

    rows: int
    columns: int
    samples: int
    photometric_interpretation: str
    planar_configuration: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def is_gray(self) -> bool:
        """One sample a pixel, MONOCHROME1 or MONOCHROME2."""
        return self.samples == 1

    @property
    def options(self) -> dict[str, Any]:
        """The same numbers, under the names by which pydicom's decoders take them."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "number_of_frames": 1,
            "samples_per_pixel": self.samples,
            "photometric_interpretation": self.photometric_interpretation,
            "planar_configuration": self.planar_configuration,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.bits_stored,
            "pixel_representation": int(self.signed),
            "pixel_keyword": "PixelData",
        }


def image_pixel(dataset: Dataset, limits: DecodeLimits) -> ImagePixel:
    """Read the module and check that a film can look like this.

    Raises:
        InvalidImageError: an attribute is missing or contradicts another.
        ImageTooLargeError: over `limits`.
        NotARadiographError: several frames, or neither gray nor RGB nor YBR.
        UnsupportedImageError: a depth that is not decoded.
    """
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    # Some writers leave 0 in films of one frame; the pixels show whether it is there.
    frames = integer(dataset, "NumberOfFrames", default=1) or 1
    limits.check_size(rows, columns, frames)
    if frames != 1:
        msg = f"the DICOM object has {frames} frames; send one film"
        raise NotARadiographError(msg)
    bits_allocated = integer(dataset, "BitsAllocated")
    bits_stored = integer(dataset, "BitsStored")
    module = ImagePixel(
        rows=rows,
        columns=columns,
        samples=integer(dataset, "SamplesPerPixel", default=1),
        photometric_interpretation=text(dataset, "PhotometricInterpretation"),
        planar_configuration=integer(dataset, "PlanarConfiguration", default=0),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=integer(dataset, "HighBit", default=bits_stored - 1),
        signed=integer(dataset, "PixelRepresentation", default=0) == 1,
    )
    _check(module)
    return module


def _check(module: ImagePixel) -> None:
    colours = {1: GRAY, _COLOUR_SAMPLES: COLOUR}.get(module.samples, ())
    if module.photometric_interpretation not in colours:
        msg = (
            f"the DICOM object's PhotometricInterpretation and SamplesPerPixel are neither one of {', '.join(GRAY)} "
            f"with 1 nor one of {', '.join(COLOUR)} with {_COLOUR_SAMPLES}; send a gray film"
        )
        raise NotARadiographError(msg)
    if module.bits_allocated not in DEPTHS or not 1 <= module.bits_stored <= module.bits_allocated:
        msg = "BitsAllocated must be 8 or 16, and BitsStored within it; export the film with up to 16 bits"
        raise UnsupportedImageError(msg)
    if not module.is_gray and (module.bits_allocated, module.bits_stored, module.signed) != (_BYTE_BITS, 8, False):
        msg = "a colour film must have 8 unsigned bits a sample; export the film in gray"
        raise UnsupportedImageError(msg)
    if module.planar_configuration not in (0, 1):
        msg = f"PlanarConfiguration must be 0 or 1 and is {module.planar_configuration}; export the film again"
        raise InvalidImageError(msg)
    if not module.bits_stored <= module.high_bit + 1 <= module.bits_allocated:
        msg = "HighBit does not fit BitsStored and BitsAllocated; export the film again"
        raise InvalidImageError(msg)


def native_words(data: memoryview, module: ImagePixel, *, little_endian: bool) -> Pixels:
    """The words [H, W] of an uncompressed gray film, BitsAllocated wide.

    Raises:
        InvalidImageError: the film is truncated.
    """
    pixels = module.rows * module.columns
    check_length(data, pixels * module.bits_allocated // 8)
    word = np.dtype(DEPTHS[module.bits_allocated]).newbyteorder("<" if little_endian else ">")
    words: Pixels = np.frombuffer(data, word, pixels).reshape(module.rows, module.columns)
    return words


def check_length(data: memoryview, size_bytes: int) -> None:
    """Refuse Pixel Data that end too early.

    Raises:
        InvalidImageError: fewer bytes than `size_bytes`.
    """
    if len(data) < size_bytes:
        msg = f"PixelData has {len(data)} bytes; Rows and Columns need {size_bytes}: the film is truncated"
        raise InvalidImageError(msg)


def in_pair_order(data: memoryview) -> memoryview:
    """Bytes that were written as big-endian words of two samples each, in their order. Source: PS3.5 7.3, 8.1.1."""
    return np.frombuffer(data, ">u2", len(data) // 2).astype("<u2").data.cast("B")


def check_unused_bits(words: Pixels, module: ImagePixel, padding: tuple[int, int] | None) -> None:
    """Refuse words whose values are larger than BitsStored allows, instead of cutting them.

    The bits above the stored ones may repeat the sign, or be the same in every pixel. Where they differ, BitsStored is
    wrong, or graphics are drawn into the pixels that no overlay plane states: the film alone does not show which.

    Args:
        words: [H, W], BitsAllocated wide.
        module: how many bits are stored, and where.
        padding: smallest and largest value of pixels that are not looked at.

    Raises:
        InvalidImageError: the bits above HighBit differ between pixels.
    """
    unused = 2**module.bits_allocated - 2 ** (module.high_bit + 1)
    if not unused:
        return
    if not module.signed and words.max() <= 2 ** (module.high_bit + 1) - 1:
        return  # one look at each word instead of three
    ends = {0}
    are_signs = module.signed  # a published film mixes both ways of writing
    is_first = True
    for band in bands(*words.shape):
        patterns = words[band].astype(DEPTHS[module.bits_allocated], copy=False)
        if padding is not None:
            patterns = patterns[~within(words[band], module, padding)]
        upper = patterns & unused
        if not upper.size:
            continue
        ends = {int(upper.min()), int(upper.max())} | (set() if is_first else ends)
        is_first = False
        if are_signs:
            sign = (patterns >> module.high_bit & 1) * unused
            are_signs = bool(((upper == 0) | (upper == sign)).all())
        if len(ends) > 1 and not are_signs:
            msg = (
                f"PixelData holds values above BitsStored, which is {module.bits_stored}; export the film with the "
                "BitsStored that its values need, and without graphics in its pixels"
            )
            raise InvalidImageError(msg)


def within(words: Pixels, module: ImagePixel, ends: tuple[int, int]) -> NDArray[np.bool_]:
    """Where the values of words, signed ones where the film has such, lie from the first to the second of `ends`."""
    values = words.view(f"{words.dtype.byteorder}i{words.itemsize}") if module.signed else words
    return (values >= ends[0]) & (values <= ends[1])


def is_identity(table: Pixels, words: Pixels) -> bool:
    """Whether a table of stored patterns gives these words as they are; of a film without a window, it mostly does."""
    if words.dtype != table.dtype or not np.array_equal(table, np.arange(len(table))):
        return False
    return bool(words.max() < len(table))


def of_every_word(table: Pixels, module: ImagePixel, *, shift: int) -> Pixels:
    """A table of stored patterns with an entry for each word, whatever its other bits hold. Source: PS3.5 8.1.1.

    Args:
        table: [2**BitsStored].
        module: how many bits are stored, and in words of how many.
        shift: position of the lowest stored bit.
    """
    unmasked = np.repeat(table, 2**shift)
    return np.tile(unmasked, 2**module.bits_allocated // unmasked.size)
