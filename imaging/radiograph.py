"""The radiograph: what a decoded file is, whatever format it came in."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from imaging.turn import UPRIGHT, Turn

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
