"""What a thumbnail keeps of a film, and what it does not."""

import cv2
import numpy as np
import pytest

from imaging.phantom import phantom
from imaging.thumbnail import LENGTH, SMALLEST, lungs_box, thumbnail, thumbnails


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


def lungs_at(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    """Probabilities of 32 x 32 cells: two ellipses side by side, in the frame that goes from -1 to 1."""
    cells = (np.arange(32) + 0.5) / 16 - 1
    columns, rows = np.meshgrid(cells, cells)
    sides = [((columns - x - at * half_width) / (0.4 * half_width)) ** 2 for at in (-0.55, 0.55)]
    distance = np.minimum(*sides) + ((rows - y) / half_height) ** 2
    return (1 / (1 + np.exp(8 * (distance - 1)))).astype(np.float32)


def test_a_margin_around_the_film_does_not_matter_where_the_lungs_are_known() -> None:
    plain = film(256)
    margin = np.zeros_like(plain)
    margin[:, 64:192, 32:224] = cv2.resize(plain[0], (192, 128), interpolation=cv2.INTER_AREA)
    known = thumbnail(plain, lungs_at(0, 0, 0.6, 0.6)), thumbnail(margin, lungs_at(0, 0, 0.45, 0.3))

    assert np.corrcoef(*known)[0, 1] > 0.95
    assert np.corrcoef(thumbnail(plain), thumbnail(margin))[0, 1] < 0.8


def test_what_lies_outside_of_the_lungs_box_does_not_matter() -> None:
    lungs, plain = lungs_at(0, 0, 0.4, 0.4), film(256)
    x, y, half_width, half_height = lungs_box(lungs)
    marked = plain.copy()
    marked[:, : int((y - half_height + 1) * 128)] = 1
    marked[:, :, int((x + half_width + 1) * 128) + 1 :] = 0

    assert thumbnail(marked, lungs) == pytest.approx(thumbnail(plain, lungs))


def test_a_thumbnail_moves_as_smoothly_as_the_lungs() -> None:
    plain, lungs = film(256), lungs_at(0.1, -0.1, 0.5, 0.6)

    assert thumbnail(plain, lungs * np.float32(0.999999)) == pytest.approx(thumbnail(plain, lungs), abs=1e-4)


def test_without_lungs_the_box_is_the_middle_of_the_film() -> None:
    assert lungs_box(np.zeros((32, 32), np.float32)) == pytest.approx([0, 0, SMALLEST, SMALLEST])
    assert np.isfinite(thumbnail(film(256), np.zeros((32, 32), np.float32))).all()


def test_films_have_their_thumbnails_with_their_own_lungs() -> None:
    films = np.stack([film(64, seed) for seed in range(2)])
    lungs = np.stack([lungs_at(0, 0, 0.5, 0.6), lungs_at(0.2, 0, 0.4, 0.6)])

    assert np.array_equal(thumbnails(films, lungs), [thumbnail(*both) for both in zip(films, lungs, strict=True)])
