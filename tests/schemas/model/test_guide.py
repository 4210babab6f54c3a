"""What a guide saw of a film, and whose films a bundle answers."""

import pytest
from pydantic import ValidationError

from schemas.model.guide import Sighting, Trait, sightings
from schemas.population import Population

VIEW = Trait(name="view", values=("frontal", "lateral"), accepted=("frontal",), cutoff=0.7, passed=None)
POSE = Trait(
    name="pose", values=("upright", "mirrored", "turned"), accepted=("upright", "turned"), cutoff=0.5, passed=None
)


def test_a_film_passes_a_trait_by_the_probability_of_all_accepted_values_together() -> None:
    seen = sightings([VIEW, POSE], [0.6, 0.4, 0.3, 0.4, 0.3])
    assert seen == {"view": Sighting("frontal", 0.6, accepted=False), "pose": Sighting("mirrored", 0.4, accepted=True)}


def test_probabilities_of_other_traits_are_refused() -> None:
    with pytest.raises(ValueError, match="each of 5 values"):
        sightings([VIEW, POSE], [0.6, 0.4])


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"accepted": ("oblique",)}, "oblique"), ({"values": ("frontal", "frontal")}, "repeat")],
)
def test_a_trait_that_contradicts_itself_is_refused(changed: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Trait.model_validate(VIEW.model_dump() | changed)


def test_a_population_includes_its_youngest_patients_and_not_its_upper_limit() -> None:
    children = Population(name="child", least_age_years=1, age_below_years=6)
    assert [children.includes(age) for age in (0.9, 1, 5.99, 6)] == [False, True, True, False]
    assert Population(name="adult", least_age_years=18).includes(120)
