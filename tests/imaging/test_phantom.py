"""The synthetic film that golden sets, warm-up and tests rest on."""

import numpy as np
import pytest

from imaging.phantom import phantom


def test_the_same_seed_gives_the_same_film_and_another_seed_another() -> None:
    assert np.array_equal(phantom(64, 80, seed=5, opacity=0.5), phantom(64, 80, seed=5, opacity=0.5))
    assert not np.array_equal(phantom(64, 80, seed=5), phantom(64, 80, seed=6))


@pytest.mark.parametrize("shape", [(1, 1), (64, 80), (300, 200)])
def test_it_has_the_size_asked_for_in_eight_bits(shape) -> None:
    film = phantom(*shape, seed=1)

    assert (film.shape, film.dtype) == (shape, np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_lungs_are_darker_than_the_mediastinum_and_the_air_outside_is_dark(seed) -> None:
    film = phantom(200, 200, seed=seed).astype(float)

    right = film[70:120, 50:70]
    left = film[70:90, 135:150]
    middle = film[90:110, 90:110]
    corner = film[:10, :10]
    assert max(right.mean(), left.mean()) < middle.mean() - 60
    assert corner.mean() < middle.mean() - 60


@pytest.mark.parametrize("seed", range(5))
def test_an_opacity_brightens_one_lung(seed) -> None:
    clear = phantom(200, 200, seed=seed).astype(float)
    opaque = phantom(200, 200, seed=seed, opacity=0.8).astype(float)

    halves = [(opaque - clear)[:, half].max() for half in (slice(0, 90), slice(110, 200))]
    noise = 40
    assert max(halves) > 60
    assert min(halves) < max(halves)
    assert min(halves) < 60 + noise
