"""What a guide says of a whole film before the network looks: where its lungs lie, and what kind of film it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from schemas.estimate import Estimate
from schemas.model.calibration import Fraction
from schemas.record import Record, Sha256

POPULATION: Final = "population"
"""The trait whose accepted value is the bundle's population."""

Shown = Literal["lungs", "box"]
"""What a network behind a guide sees of a film."""


class Trait(Record):
    """One thing that can be seen of a whole film, e.g. its view: values that exclude one another.

    A film is outside the network's population when the probabilities of the accepted values add up to less than
    `cutoff`.
    """

    name: str = Field(description="e.g. population, view, pose, polarity, lungs")
    values: tuple[str, ...] = Field(min_length=2, description="in the order of the graph's output")
    accepted: tuple[str, ...] = Field(min_length=1, description="the values of the films that the network answers")
    cutoff: Fraction = Field(description="least probability of the accepted values together; 0 accepts every film")
    passed: Estimate | None = Field(description="share of accepted validation films that pass; null: there are none")
    refused: dict[str, Estimate] = Field(
        default={}, description="by value: share of the validation films of another value that do not pass"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.values)) != len(self.values):
            msg = f"the values of {self.name} repeat: {self.values}"
            raise ValueError(msg)
        if unknown := set(self.accepted) - set(self.values):
            msg = f"{self.name} accepts {sorted(unknown)}, which are not among its values {self.values}"
            raise ValueError(msg)
        return self


class GuideRecord(Record):
    """A guide: a small network that is frozen while the network behind it learns, and stands in the same graph.

    The graph's output `lungs` [N, h, w] in [0, 1] says where the lungs lie on the film; `traits` [N, T] holds the
    probabilities of every value of every trait, in the order of `traits`.
    """

    traits: tuple[Trait, ...]
    shows: Shown = Field(
        default="lungs",
        description="what the network behind it sees: lungs: the lungs and what touches them, all else gray; box: "
        "everything in the lungs' box, with heart and diaphragm",
    )
    dice: Estimate | None = Field(description="of the lungs on held-out masks; null: none were held out")
    data: str = Field(description="the films that trained and measured it")
    data_sha256: Sha256
    weights_sha256: Sha256 = Field(
        description="of its weights, which do not change when a network is trained behind it"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Every value of every trait in the order of the graph's output, as `trait value`."""
        return tuple(f"{trait.name} {value}" for trait in self.traits for value in trait.values)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the guide saw of one trait of one film."""

    value: str
    """The most probable value."""
    probability: float
    accepted: bool
    """Whether the film passes this trait's cut-off."""


def sightings(traits: Sequence[Trait], probabilities: Iterable[float]) -> Mapping[str, Sighting]:
    """What was seen of each trait of one film.

    Args:
        traits: in the order of the graph's output.
        probabilities: [T] of one film.

    Raises:
        ValueError: the number of probabilities is not that of all values.
    """
    row = [float(probability) for probability in probabilities]
    expected = sum(len(trait.values) for trait in traits)
    if len(row) != expected:
        msg = f"a film has one probability for each of {expected} values of traits, not {len(row)}"
        raise ValueError(msg)
    seen = dict[str, Sighting]()
    start = 0
    for trait in traits:
        part = row[start : start + len(trait.values)]
        start += len(trait.values)
        accepted = sum(part[trait.values.index(value)] for value in trait.accepted)
        best = part.index(max(part))
        seen[trait.name] = Sighting(trait.values[best], min(1.0, part[best]), accepted >= trait.cutoff)
    return seen
