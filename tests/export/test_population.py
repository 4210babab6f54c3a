"""The statement of a bundle's intended population on the command line."""

import pytest

from export.population import PopulationOptions
from schemas.errors import BundleError
from schemas.population import Population

CHILDREN = Population(name="child", least_age_years=1, age_below_years=6)


def stated(trained=None, **options):
    return PopulationOptions(**options).statement(trained)


def test_what_training_states_is_enough_and_options_add_to_it() -> None:
    assert stated(CHILDREN) == CHILDREN
    assert stated(CHILDREN, anybody=True) == CHILDREN
    assert stated(CHILDREN, projections="AP", sexes="F, M") == CHILDREN.model_copy(
        update={"projections": ("AP",), "sexes": ("F", "M")}
    )
    assert stated(CHILDREN, ages="2..5").least_age_years == 2


@pytest.mark.parametrize(
    ("ages", "least", "below"),
    [("1..6", 1, 6), ("18..", 18, None), ("..18", 0, 18), ("any", 0, None), ("0.5..1.5", 0.5, 1.5)],
)
def test_ages_are_a_range_of_years(ages, least, below) -> None:
    population = stated(population="p", ages=ages)

    assert (population.name, population.least_age_years, population.age_below_years) == ("p", least, below)


def test_anybody_is_said_and_never_taken() -> None:
    assert stated(anybody=True) == Population(name="any")
    with pytest.raises(BundleError, match="state it by --population NAME --ages FROM"):
        stated()
    with pytest.raises(BundleError, match="no ages of it"):
        stated(population="child")


@pytest.mark.parametrize(
    ("trained", "options", "message"),
    [
        (CHILDREN, {"population": "adult"}, "contradicts the training run, whose films are of child"),
        (None, {"population": "child", "ages": "young"}, "--ages young is no range of years"),
        (None, {"population": "child", "ages": ".."}, "is no range of years"),
        (None, {"population": "child", "ages": "6..1"}, "--ages cannot be read"),
        (CHILDREN, {"views": "upside down"}, "--views cannot be read"),
        (CHILDREN, {"intents": "FOR FUN"}, "--intents cannot be read"),
    ],
)
def test_a_statement_that_is_none_is_refused_by_the_name_of_its_option(trained, options, message) -> None:
    with pytest.raises(BundleError, match=message):
        stated(trained, **options)
