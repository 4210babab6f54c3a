"""The ridge regression that networks are measured against: least squares, its constant free of the penalty."""

import numpy as np
import pytest

from benchmarks.floor import ridge, scores


def test_without_much_penalty_it_is_least_squares_and_with_much_the_mean() -> None:
    random = np.random.default_rng(0)
    pixels = random.random((200, 3))
    truth = pixels @ [2.0, -1.0, 0.5] + 7
    exact, mean = ridge(pixels, truth, (1e-9, 1e12))

    assert exact == pytest.approx([2, -1, 0.5, 7])
    assert scores(exact, pixels) == pytest.approx(truth)
    assert scores(mean, pixels) == pytest.approx(truth.mean())


def test_of_two_pixels_that_say_the_same_each_has_half() -> None:
    column = np.arange(10.0)
    (weights,) = ridge(np.stack([column, column], axis=1), column, (1e-6,))

    assert weights[:2] == pytest.approx([0.5, 0.5])
