"""Distances to the training films: whitened, shrunk, and the same whatever linear map came before."""

import numpy as np
import pytest
from sklearn.covariance import OAS

from trainer.distance import fit_distance, scores

RANDOM = np.random.default_rng(11)


def two_clouds(films: int, dimensions: int, *, seed: int = 0):
    """Two classes of the same elongated scatter, four spreads apart."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, films)
    spread = np.geomspace(3, 0.3, dimensions)
    values = random.normal(size=(films, dimensions)) * spread + 4 * labels[:, None] * spread
    return values.astype(np.float32), labels


def test_scores_equal_the_mahalanobis_distance_to_each_class_over_the_root_of_the_rank():
    values, labels = two_clouds(400, 6)
    means = np.stack([values[labels == index].mean(axis=0) for index in range(2)])
    precision = OAS(assume_centered=True).fit(values - means[labels]).precision_

    found = scores(values, fit_distance(values, labels, 2))
    away = values[:, None] - means

    assert found == pytest.approx(np.sqrt(np.einsum("nkd,de,nke->nk", away, precision, away) / 6), rel=1e-3)


def test_training_films_lie_about_one_from_their_own_class_and_further_from_the_other():
    values, labels = two_clouds(2000, 200)

    found = scores(values, fit_distance(values, labels, 2))

    assert np.median(found[np.arange(2000), labels]) == pytest.approx(1, abs=0.05)
    assert (found[np.arange(2000), labels] < found[np.arange(2000), 1 - labels]).all()


def test_arrays_have_the_shapes_and_types_of_the_contract():
    values, labels = two_clouds(300, 200)

    statistics = fit_distance(values, labels, 2)

    assert {name: (array.shape, array.dtype.name) for name, array in statistics.items()} == {
        "center": ((200,), "float32"),
        "projection": ((200, 64), "float32"),
        "class_means": ((2, 64), "float32"),
    }


def test_dimensions_that_hold_rounding_error_alone_are_left_out():
    values, labels = two_clouds(300, 5)
    noise = 1e-6 * RANDOM.normal(size=(300, 20))

    statistics = fit_distance(np.hstack([values, noise]).astype(np.float32), labels, 2)

    assert statistics["projection"].shape == (25, 5)


def test_films_from_elsewhere_score_high_in_every_class():
    values, labels = two_clouds(500, 20)

    statistics = fit_distance(values, labels, 2)
    elsewhere = scores((RANDOM.normal(size=(100, 20)) * 30).astype(np.float32), statistics)

    assert elsewhere.min() > scores(values, statistics)[np.arange(500), labels].max()


def test_fewer_films_than_dimensions_give_finite_scores():
    values, labels = two_clouds(10, 50)

    assert np.isfinite(scores(two_clouds(100, 50, seed=1)[0], fit_distance(values, labels, 2))).all()


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_equal_embeddings_of_a_class_show_no_distance(between):
    labels = np.arange(10) % 2

    assert fit_distance((between * labels[:, None] * np.ones((10, 4))).astype(np.float32), labels, 2) is None
