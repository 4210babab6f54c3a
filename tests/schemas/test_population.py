"""The intended population as a manifest states it."""

import pytest
from pydantic import ValidationError

from schemas.population import Population


def test_a_statement_of_name_and_ages_alone_means_frontal_chest_films_for_presentation() -> None:
    stated = Population.model_validate({"name": "child", "least_age_years": 1, "age_below_years": 6})

    assert (stated.views, stated.projections, stated.body_part) == (("frontal",), ("AP", "PA"), "chest")
    assert (stated.modalities, stated.presentation_intents) == (("CR", "DX"), ("FOR PRESENTATION",))
    assert stated.in_words == (
        "child, from 1 and below 6 years; frontal films of the chest, projection AP or PA, modality CR or DX, "
        "FOR PRESENTATION"
    )


def test_a_sex_is_named_where_it_matters() -> None:
    assert ", sex F;" in Population(name="woman", sexes=("F",)).in_words


@pytest.mark.parametrize(
    "changes", [{"age_below_years": 5}, {"views": ()}, {"views": ("upside down",)}, {"sexes": ("X",)}]
)
def test_a_population_of_nobody_is_refused(changes) -> None:
    with pytest.raises(ValidationError):
        Population.model_validate({"name": "child", "least_age_years": 5, **changes})
