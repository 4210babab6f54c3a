"""Another background: the rib cage stays as it is, and all else is gray or another film's."""

import numpy as np

from trainer.films.regions.cage import cage_of
from trainer.films.regions.marked import MarkedFilms
from trainer.films.task import LabelledFilms
from trainer.learning.reasons.backgrounds import has_another_background, on_another_background


def lungs(left: int) -> np.ndarray:
    mask = np.zeros((32, 32), bool)
    mask[10:22, left : left + 4] = mask[10:22, left + 6 : left + 10] = True
    return mask


MASKS = {0: lungs(8), 2: lungs(12)}
PIXELS = np.random.default_rng(0).random((3, 1, 32, 32), np.float32)
FILMS = LabelledFilms(PIXELS, np.array([0, 1, 1]), 2, marks=MarkedFilms(MASKS, {}, ""))
CAGE = cage_of(MASKS[0])


def test_the_cage_stays_and_the_rest_is_one_gray_or_the_other_masked_films() -> None:
    others = [on_another_background(FILMS, 0, PIXELS[0], draw)[0] for draw in range(40)]

    gray = [np.ptp(other[~CAGE]) == 0 for other in others]
    stranger = ~CAGE & ~cage_of(MASKS[2])
    assert all(np.array_equal(other[CAGE], PIXELS[0, 0][CAGE]) for other in others)
    assert all(
        np.array_equal(other[stranger], PIXELS[2, 0][stranger])
        for other, is_gray in zip(others, gray, strict=True)
        if not is_gray
    )
    assert 8 <= sum(gray) <= 32


def test_a_draw_always_gives_the_same_background() -> None:
    first, second = (on_another_background(FILMS, 0, PIXELS[0], 7) for _ in range(2))

    assert np.array_equal(first, second)


def test_the_share_of_films_on_another_background_is_that_which_is_asked() -> None:
    assert 0.2 < np.mean([has_another_background(0.3, draw) for draw in range(500)]) < 0.4
    assert not any(has_another_background(0.0, draw) for draw in range(100))
