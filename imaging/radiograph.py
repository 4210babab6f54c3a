"""The radiograph: what a decoded file is, whatever format it came in."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Format = Literal["jpeg", "png", "dicom"]


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a DICOM header states of whom and of what the film is: compared with what is seen, never logged or answered.

    A picture without such a header states nothing.
    """

    age_years: float | None = field(default=None, repr=False)
    """Of the patient, when the film was made."""
    frontal: bool | None = None
    """Whether the stated view is a frontal one."""


@dataclass(frozen=True, slots=True)
class Radiograph:
    """One film in MONOCHROME2 polarity (bright is dense), at the depth that its file stores.

    Nothing else of the file survives but `header`: no EXIF, no name.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]  # [H, W]
    bits: int
    """The largest value that a pixel can take is 2**bits - 1."""
    format: Format
    rows: int
    """Height of the source film; `pixels` is smaller where a large JPEG was decoded at reduced size."""
    columns: int
    photometric_interpretation: str
    """Of the source, in DICOM's terms: MONOCHROME1, MONOCHROME2, RGB, YBR_FULL_422, PALETTE COLOR, CMYK, …."""
    warnings: tuple[str, ...]
    """What decoding noticed, e.g. `not_frontal`; `imaging.quality` adds what the pixels show."""
    pixel_aspect: float = 1.0
    """Height of a source pixel divided by its width: how the film is shown. The network sees the pixels as they are."""
    header: HeaderFacts = HeaderFacts()

    @property
    def largest_value(self) -> int:
        """2**bits - 1: what white is."""
        return (1 << self.bits) - 1
