"""Recipes vary films within their ranges, each film by its own seed, and leave nothing to chance."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pydantic import ValidationError

from imaging.phantom import phantom
from trainer.learning.augment import RECIPES, AugmentRecipe, apply

FILM = (phantom(64, 64, seed=1, opacity=0.8).astype(np.float32) / np.float32(255))[None]
GRAY = np.full((1, 64, 64), 0.5, np.float32)
RAMP = np.tile(np.linspace(0.2, 0.6, 64, dtype=np.float32), (1, 64, 1))
VARYING = sorted(set(RECIPES) - {"none"})


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_keeps_shape_type_and_range(name) -> None:
    for seed in range(20):
        varied = apply(RECIPES[name], FILM, seed)

        assert varied.shape == (1, 64, 64)
        assert varied.dtype == np.float32
        assert varied.min() >= 0
        assert varied.max() <= 1


def test_the_recipe_none_changes_nothing() -> None:
    assert np.array_equal(apply(RECIPES["none"], FILM, 3), FILM)


@pytest.mark.parametrize("name", VARYING)
def test_a_seed_gives_the_same_film_whatever_was_varied_before(name) -> None:
    first = apply(RECIPES[name], FILM, 5)
    for seed in range(10):
        apply(RECIPES[name], GRAY, seed)

    assert np.array_equal(apply(RECIPES[name], FILM, 5), first)
    assert not np.array_equal(apply(RECIPES[name], FILM, 6), first)


@pytest.mark.parametrize("name", VARYING)
def test_a_seed_gives_the_same_film_in_any_thread(name) -> None:
    expected = [apply(RECIPES[name], FILM, seed) for seed in range(60)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: apply(RECIPES[name], FILM, seed), range(60)))

    assert np.array_equal(found, expected)


def test_the_film_itself_is_not_written_to() -> None:
    film = FILM.copy()
    film.flags.writeable = False

    for name in RECIPES:
        apply(RECIPES[name], film, 1)

    assert np.array_equal(film, FILM)


@pytest.mark.parametrize(
    "recipe",
    [
        AugmentRecipe(rotation_deg=15),
        AugmentRecipe(shift=0.1),
        AugmentRecipe(zoom=0.2),
        AugmentRecipe(crop_area=(0.3, 0.5)),
        AugmentRecipe(gamma=(0.6, 0.7)),
        AugmentRecipe(brightness=0.2),
        AugmentRecipe(contrast=0.2),
        AugmentRecipe(blur_px=1.0, occasional=1),
        AugmentRecipe(downscale=0.5, occasional=1),
        AugmentRecipe(jpeg_quality=40, occasional=1),
        AugmentRecipe(noise=0.05, occasional=1),
        AugmentRecipe(dropout=0.15, occasional=1),
    ],
    ids=lambda recipe: min(recipe.model_fields_set - {"occasional"}),
)
def test_each_field_alone_changes_the_film(recipe) -> None:
    assert any(np.abs(apply(recipe, FILM, seed) - FILM).max() > 0.02 for seed in range(3))


def test_no_recipe_mirrors_the_heart_unless_asked_to() -> None:
    flipping = AugmentRecipe(horizontal_flip=True)
    mirrored = [np.array_equal(apply(flipping, FILM, seed), FILM[..., ::-1]) for seed in range(40)]
    kept = [np.array_equal(apply(flipping, FILM, seed), FILM) for seed in range(40)]

    assert not any(recipe.horizontal_flip for recipe in RECIPES.values())
    assert 10 <= sum(mirrored) <= 30
    assert sum(mirrored) + sum(kept) == 40


def test_exposure_is_a_factor_within_its_range() -> None:
    factors = [apply(AugmentRecipe(brightness=0.2), GRAY, seed).mean() / 0.5 for seed in range(100)]

    assert 0.8 <= min(factors) < 0.83
    assert 1.17 < max(factors) <= 1.2


def test_contrast_turns_about_the_mean_so_that_lungs_do_not_burn_out() -> None:
    films = [apply(AugmentRecipe(contrast=0.3), RAMP, seed) for seed in range(50)]

    assert [film.mean() for film in films] == pytest.approx([RAMP.mean()] * 50, abs=1e-3)
    assert max(np.ptp(film) for film in films) == pytest.approx(0.4 * 1.3, abs=0.02)


def test_gamma_is_an_exponent_within_its_range() -> None:
    exponents = [np.log(apply(AugmentRecipe(gamma=(0.6, 1.6)), GRAY, seed).mean()) / np.log(0.5) for seed in range(100)]

    assert 0.6 <= min(exponents) + 1e-4 < 0.65
    assert 1.5 < max(exponents) <= 1.6 + 1e-4


def test_a_shift_stays_within_its_share_of_the_side() -> None:
    point = np.zeros((1, 101, 101), np.float32)
    point[0, 50, 50] = 1
    places = [
        np.argwhere(apply(AugmentRecipe(shift=0.1), point, seed)[0] > 0.2).mean(axis=0) - 50 for seed in range(60)
    ]

    assert 8 < np.abs(places).max() <= 10.5


def test_a_crop_keeps_at_least_its_share_of_the_area() -> None:
    # A ramp in both axes: the range of values that a crop shows is the share of each side that it keeps.
    ramps = [np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1)), None]
    ramps[1] = ramps[0].T.copy()
    areas = [
        np.prod([np.ptp(apply(AugmentRecipe(crop_area=(0.3, 1.0)), ramp[None], seed)) for ramp in ramps])
        for seed in range(60)
    ]

    assert 0.25 < min(areas) < 0.45
    assert max(areas) > 0.85


def test_occasional_variations_touch_their_share_of_the_films() -> None:
    touched = [not np.array_equal(apply(AugmentRecipe(blur_px=1.0), FILM, seed), FILM) for seed in range(200)]

    assert sum(touched) / 200 == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize(
    "fields",
    [
        {"zoom": 1},
        {"crop_area": (0, 1)},
        {"crop_area": (0.9, 0.3)},
        {"gamma": (2, 1)},
        {"jpeg_quality": 0},
        {"flip": 1},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(fields) -> None:
    with pytest.raises(ValidationError):
        AugmentRecipe(**fields)
