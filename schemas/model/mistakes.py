"""The mistakes of a network on validation films; a holder of the films can look them up by hash and line."""

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.estimate import Estimate
from schemas.model.calibration import Fraction
from schemas.model.decision import Answer
from schemas.model.evaluation import SubgroupMetrics
from schemas.record import Record


class FilmReference(Record):
    """One film, named without its path, which may name the patient."""

    sha256_prefix: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    split_line: int = Field(ge=2, description="of the run's split.csv; line 1 names the columns")


class Mistake(Record):
    """One film that was labelled wrongly, or not answered."""

    film: FilmReference
    truth: str
    truth_probability: Fraction = Field(description="calibrated")
    label: str = Field(description="at the operating points")
    label_probability: Fraction
    answer: Answer
    out_of_distribution_score: float | None = Field(description="above 1 is not answered; null: not checked")
    border_share: Fraction | None = Field(
        description="of the heat map for the label, in the outer tenth of the film; null: no map, or one without heat"
    )


class KindOfMistake(Record):
    """All films that went wrong in one way, and the worst of them."""

    kind: str = Field(description="e.g. 'missed'")
    meaning: str
    films: int = Field(ge=0, description="that went wrong so")
    of: int = Field(ge=0, description="that could")
    share: Estimate | None = Field(description="null where none could")
    worst: tuple[Mistake, ...]


class Mistakes(Record):
    """What the exported network does wrong on the films that decided its thresholds; the test films are left alone."""

    data: str = Field(description="the films, e.g. 'validation: 780 films of 601 patients'")
    kinds: tuple[KindOfMistake, ...]
    by_appearance: tuple[SubgroupMetrics, ...] = Field(
        description="thirds of the films by what `imaging.quality.input_statistics` measures of them"
    )
