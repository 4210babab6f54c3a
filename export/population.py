"""The statement of a bundle's intended population: options of `bundle` and `adopt`, and what training has stated."""

import re
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from schemas.errors import BundleError
from schemas.population import ANYBODY, Population

_AGES = re.compile(r"(\d{1,3}(?:\.\d+)?)?\.\.(\d{1,3}(?:\.\d+)?)?")
_ALL_AGES = "any"
_REMEDY = (
    "state it by --population NAME --ages FROM..BELOW, e.g. --population child --ages 1..6 (`make export`: "
    "POPULATION=child AGES=1..6), by data.population when you train, or by --anybody where patients of every age are "
    "meant"
)


class PopulationOptions(BaseModel):
    """Options that state the intended population; what is not given is as in training, or as of any chest film."""

    population: str | None = Field(default=None, description="Whose films it is for: a name, e.g. child or adult.")
    ages: str | None = Field(default=None, description="In years, FROM..BELOW, e.g. 1..6 or 18.., or any.")
    views: str | None = Field(default=None, description="Of frontal, lateral, oblique, other, separated by commas.")
    projections: str | None = Field(default=None, description="AP, PA or AP,PA.")
    modalities: str | None = Field(default=None, description="CR, DX or CR,DX.")
    intents: str | None = Field(default=None, description="FOR PRESENTATION, FOR PROCESSING or both, with a comma.")
    sexes: str | None = Field(default=None, description="Of F, M and O, separated by commas, where it matters.")
    anybody: bool = Field(
        default=False, description="Where nothing states a population: frontal chest films of patients of every age."
    )

    def statement(self, trained: Population | None) -> Population:
        """The whole statement.

        Args:
            trained: what the training run states (`data.population`); None: nothing, or trained elsewhere.

        Raises:
            BundleError: nothing states the population, or two statements contradict each other.
        """
        base = trained or (ANYBODY if self.anybody and self.population is None else None)
        if base is None and (self.population is None or self.ages is None):
            missing = "neither a name nor ages" if self.population is None else "no ages"
            msg = f"a bundle states its intended population, and this one would state {missing} of it; {_REMEDY}"
            raise BundleError(msg)
        if base is trained and trained is not None and self.population not in (None, trained.name):
            msg = (
                f"--population {self.population} contradicts the training run, whose films are of {trained.name}; "
                "leave it out"
            )
            raise BundleError(msg)
        stated = ({} if base is None else base.model_dump()) | self._stated()
        try:
            return Population.model_validate(stated)
        except ValidationError as error:
            fault = error.errors()[0]
            place = str(fault["loc"][0]) if fault["loc"] else "ages"
            option = "intents" if place == "presentation_intents" else place
            msg = f"--{option} cannot be read ({fault['msg']}); see `python -m export bundle --help`"
            raise BundleError(msg) from error

    def _stated(self) -> dict[str, Any]:
        """The fields of the options that are given."""
        lists = {
            "views": self.views,
            "projections": self.projections,
            "modalities": self.modalities,
            "presentation_intents": self.intents,
            "sexes": self.sexes,
        }
        stated: dict[str, Any] = {
            name: tuple(part.strip() for part in value.split(",")) for name, value in lists.items() if value is not None
        }
        if self.population is not None:
            stated["name"] = self.population
        return stated | ({} if self.ages is None else _range(self.ages))


def _range(ages: str) -> dict[str, float | None]:
    text = ages.strip().lower()
    if text == _ALL_AGES:
        return {"least_age_years": 0, "age_below_years": None}
    matched = _AGES.fullmatch(text)
    if matched is None or text == "..":
        msg = f"--ages {ages} is no range of years; give FROM..BELOW, e.g. 1..6, 18.. or ..18, or any"
        raise BundleError(msg)
    least, below = matched.groups()
    return {"least_age_years": float(least or 0), "age_below_years": None if below is None else float(below)}
