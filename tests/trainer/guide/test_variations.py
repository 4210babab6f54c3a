"""Variations of films that a guide learns from."""

import cv2
import numpy as np
import pytest

from trainer.guide.variations import MADE, hidden, made_up, vary

SIDE = 64


def film_and_mask() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[15:50, 10:26] = 1
    mask[15:50, 38:54] = 1
    film = np.clip(0.7 - 0.4 * mask + random.normal(0, 0.1, mask.shape), 0, 1).astype(np.float32)
    return film, mask


def variations(count: int, *, oriented: bool = True):
    film, mask = film_and_mask()
    return [vary(film, mask, np.random.default_rng(seed), oriented=oriented) for seed in range(count)]


def test_every_value_of_every_made_trait_occurs_and_the_plain_one_most_often() -> None:
    made = [each.made for each in variations(300)]
    for trait, values in MADE.items():
        counts = {value: sum(each[trait] == value for each in made) for value in values}
        assert min(counts.values()) > 0
        assert max(counts, key=lambda value: counts[value]) == values[0]


def test_the_mask_lies_on_the_lungs_however_the_film_was_turned() -> None:
    for each in variations(60):
        assert (each.mask is None) == (each.made["lungs"] == "hidden")
        if each.mask is None or each.film.std() < 0.05:
            continue
        around = cv2.dilate(each.mask, np.ones((9, 9))) > each.mask
        inside, outside = np.median(each.film[each.mask > 0]), np.median(each.film[around])
        darker = each.made["polarity"] == "normal"
        assert (inside < outside + 0.15) if darker else (inside > outside - 0.15)


def test_a_film_that_is_not_oriented_is_neither_turned_nor_hidden() -> None:
    assert all(each.made == {} and each.mask is not None for each in variations(40, oriented=False))


def test_the_same_seed_gives_the_same_variation_and_the_film_itself_stays() -> None:
    film, mask = film_and_mask()
    before = film.copy()
    first, again = (vary(film, mask, np.random.default_rng(5), oriented=True) for _ in range(2))
    assert np.array_equal(first.film, again.film)
    assert first.made == again.made
    assert np.array_equal(film, before)
    assert first.film.min() >= 0
    assert first.film.max() <= 1


def test_nothing_of_hidden_lungs_is_left() -> None:
    film, mask = film_and_mask()
    core = np.zeros_like(mask, bool)
    core[22:43, 15:21] = True
    for seed in range(40):
        painted = hidden(film, mask, np.random.default_rng(seed))
        correlation = np.corrcoef(painted[core], film[core])[0, 1] if painted[core].std() > 1e-3 else 0.0
        assert abs(correlation) < 0.5


@pytest.mark.parametrize("seed", range(12))
def test_pictures_that_are_no_films_are_pictures(seed: int) -> None:
    picture = made_up(film_and_mask()[0], np.random.default_rng(seed))
    assert picture.shape == (SIDE, SIDE)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
