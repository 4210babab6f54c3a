"""Whose films a bundle is for: the intended population, as its manifest states it."""

from typing import Final, Literal, Self, get_args

from pydantic import Field, model_validator

from schemas.record import Record

View = Literal["frontal", "lateral", "oblique", "other"]
"""What a film shows of a chest; other: a view that is known and is none of these, e.g. a decubitus or an axial one."""
Projection = Literal["AP", "PA"]
"""The way of the beam through the chest."""
BodyPart = Literal["chest", "other"]
Modality = Literal["CR", "DX"]
"""Secondary captures that state one of these count as films of it."""
PresentationIntent = Literal["FOR PRESENTATION", "FOR PROCESSING"]
Sex = Literal["F", "M", "O"]

PROJECTIONS: Final[tuple[Projection, ...]] = get_args(Projection)
SEXES: Final[tuple[Sex, ...]] = get_args(Sex)


class Population(Record):
    """The intended population: which films a bundle answers, how they are routed, and what its guide accepts.

    What is not stated is as for any network for frontal chest films; a manifest that was written before an attribute
    existed means the same.
    """

    name: str = Field(description="a value of the guide's trait `population` where there is a guide, e.g. child")
    least_age_years: float = Field(default=0, ge=0, description="age of the youngest patients, in years")
    age_below_years: float | None = Field(default=None, gt=0, description="all patients are younger; null: no limit")
    views: tuple[View, ...] = Field(
        default=("frontal",), min_length=1, description="of frontal, lateral, oblique, other"
    )
    projections: tuple[Projection, ...] = Field(
        default=PROJECTIONS, min_length=1, description="AP, PA or both; both: not asked"
    )
    body_part: Literal["chest"] = Field(default="chest", description="what the films show")
    modalities: tuple[Modality, ...] = Field(default=("CR", "DX"), min_length=1, description="CR, DX or both")
    presentation_intents: tuple[PresentationIntent, ...] = Field(
        default=("FOR PRESENTATION",), min_length=1, description="FOR PRESENTATION, FOR PROCESSING or both"
    )
    sexes: tuple[Sex, ...] = Field(default=SEXES, min_length=1, description="of F, M and O; all three: not asked")

    @model_validator(mode="after")
    def _ages_are_a_range(self) -> Self:
        if self.age_below_years is not None and self.age_below_years <= self.least_age_years:
            msg = f"ages from {self.least_age_years:g} and below {self.age_below_years:g} years are of nobody"
            raise ValueError(msg)
        return self

    def includes(self, age_years: float) -> bool:
        """Whether a patient of this age belongs to it."""
        return self.least_age_years <= age_years and (self.age_below_years is None or age_years < self.age_below_years)

    @property
    def has_ages(self) -> bool:
        """Whether some ages are outside of it."""
        return self.least_age_years > 0 or self.age_below_years is not None

    def __str__(self) -> str:
        """Its name and ages, e.g. `child, below 18 years`."""
        limits = [] if self.least_age_years == 0 else [f"from {self.least_age_years:g}"]
        limits += [] if self.age_below_years is None else [f"below {self.age_below_years:g}"]
        return f"{self.name}, {' and '.join(limits)} years" if limits else self.name

    @property
    def in_words(self) -> str:
        """All of it in one sentence, for the model card."""
        sexes = "" if set(self.sexes) == set(SEXES) else f", sex {' or '.join(self.sexes)}"
        return (
            f"{self}{sexes}; {' or '.join(self.views)} films of the {self.body_part}, projection "
            f"{' or '.join(self.projections)}, modality {' or '.join(self.modalities)}, "
            f"{' or '.join(self.presentation_intents)}"
        )


ANYBODY: Final = Population(name="any")
"""What is taken for the population of a bundle that states none: patients of any age, frontal films of the chest."""
