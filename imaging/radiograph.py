"""The radiograph: what a decoded file is, whatever format it came in."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

Format = Literal["jpeg", "png", "dicom"]


Aspect = Literal["view", "projection", "body_part", "modality", "presentation_intent", "sex"]
"""What may be stated of a film, in addition to the patient's age; the values are those of `schemas.population`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one attribute of a film's file, or the film's caller, states of it."""

    aspect: Aspect
    value: str = field(repr=False)
    by: str
    """The keyword of the DICOM attribute, or the name of the caller's parameter: named in answers."""


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What is stated of whom and of what a film is: compared with what is seen, never logged; no value is answered.

    A picture without a DICOM header states nothing.
    """

    age_years: float | None = field(default=None, repr=False)
    """Of the patient, when the film was made."""
    age_by: str = "PatientAge"
    """What states it, as `Statement.by`."""
    statements: tuple[Statement, ...] = ()
    """Several of one aspect may contradict one another."""
    has_header: bool = False
    """Whether the film came with a header, whose silence is noticed."""

    def stated(self, aspect: Aspect) -> tuple[Statement, ...]:
        """All statements of one aspect."""
        return tuple(statement for statement in self.statements if statement.aspect == aspect)

    @property
    def frontal(self) -> bool | None:
        """Whether every stated view is a frontal one; None where none is stated."""
        views = self.stated("view")
        return all(view.value == "frontal" for view in views) if views else None

    @property
    def states_anything(self) -> bool:
        """Whether a header or a caller states something."""
        return self.has_header or self.age_years is not None or bool(self.statements)

    def completed_by(self, caller: Self) -> Self:
        """These facts, and where they are silent those of the film's caller."""
        stated = {statement.aspect for statement in self.statements}
        added = tuple(statement for statement in caller.statements if statement.aspect not in stated)
        aged = caller if self.age_years is None else self
        return replace(self, statements=(*self.statements, *added), age_years=aged.age_years, age_by=aged.age_by)

    def contradicts(self, caller: Self) -> bool:
        """Whether a caller states another age, by more than a year, or another view or projection."""
        ages = (self.age_years, caller.age_years)
        if ages[0] is not None and ages[1] is not None and abs(ages[0] - ages[1]) > 1:
            return True
        own = {(statement.aspect, statement.value) for statement in self.statements}
        return any(
            self.stated(statement.aspect) and (statement.aspect, statement.value) not in own
            for statement in caller.statements
        )


NOTHING_STATED: Final = HeaderFacts()


@dataclass(frozen=True, slots=True)
class Turn:
    """What puts a film upright, with the patient's left on the right of the picture and the feet at its foot; and back.

    It transposes first, and mirrors then.
    """

    transposed: bool = False
    """Rows become columns."""
    left_right: bool = False
    """Mirrored, after that."""
    up_down: bool = False

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self != UPRIGHT

    def upright(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The film put upright: a view of its pixels, [H, W] or [W, H]; nothing is copied."""
        return self._mirrored(pixels.T if self.transposed else pixels)

    def as_sent(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """What lies on the upright film, e.g. a heat map, as it lies on the film that was sent; a view."""
        mirrored = self._mirrored(pixels)
        return mirrored.T if self.transposed else mirrored

    def sides(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns of the upright film, of those of the film that was sent, or the other way round."""
        return (columns, rows) if self.transposed else (rows, columns)

    def aspect(self, pixel_aspect: float) -> float:
        """Height of an upright pixel divided by its width, of that of a pixel that was sent."""
        return 1 / pixel_aspect if self.transposed else pixel_aspect

    def _mirrored(self, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]


UPRIGHT: Final = Turn()
"""Of a film that lies as it is read."""


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
    header: HeaderFacts = NOTHING_STATED
    turn: Turn = UPRIGHT
    """What puts the film upright; `pixels`, rows and columns are as they were sent."""

    @property
    def largest_value(self) -> int:
        """2**bits - 1: what white is."""
        return (1 << self.bits) - 1

    def put_upright(self) -> Self:
        """The film as a reader hangs it, and as every network sees it: a view of the same pixels."""
        if not self.turn.changes:
            return self
        rows, columns = self.turn.sides(self.rows, self.columns)
        return replace(
            self,
            pixels=self.turn.upright(self.pixels),
            rows=rows,
            columns=columns,
            pixel_aspect=self.turn.aspect(self.pixel_aspect),
            turn=UPRIGHT,
        )
