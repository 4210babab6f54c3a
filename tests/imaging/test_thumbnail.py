"""What a thumbnail keeps of a film, and what it does not."""

import numpy as np
import pytest

from imaging.phantom import phantom
from imaging.thumbnail import LENGTH, thumbnail, thumbnails


def film(side=224, seed=1):
    return phantom(side, side, seed=seed)[np.newaxis].astype(np.float32) / 255


def test_a_thumbnail_has_mean_zero_and_deviation_one() -> None:
    found = thumbnail(film())

    assert (found.shape, LENGTH) == ((256,), 256)
    assert (found.mean(), found.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))


def test_exposure_and_contrast_do_not_matter() -> None:
    assert thumbnail(0.5 * film() + 0.2) == pytest.approx(thumbnail(film()), abs=1e-4)


def test_the_side_of_the_input_hardly_matters() -> None:
    assert np.corrcoef(thumbnail(film(224)), thumbnail(film(128)))[0, 1] > 0.99


def test_position_matters() -> None:
    assert np.corrcoef(thumbnail(film()), thumbnail(np.rot90(film(), axes=(1, 2)).copy()))[0, 1] < 0.8


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_picture_of_one_value_shows_nothing(level) -> None:
    assert np.abs(thumbnail(np.full((1, 64, 64), level, np.float32))).max() < 1e-4


def test_the_noise_of_a_flat_picture_is_not_blown_up() -> None:
    noise = np.random.default_rng(0).normal(0.5, 0.01, (1, 224, 224)).astype(np.float32)

    assert np.abs(thumbnail(noise)).max() < 0.2


def test_many_films_have_the_thumbnails_of_each() -> None:
    films = np.stack([film(64, seed) for seed in range(3)])

    assert np.array_equal(thumbnails(films), [thumbnail(one) for one in films])
