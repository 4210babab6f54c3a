"""Curves pass through textbook points, their bands hold them, and the bins are those of the calibration error."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from biostatistics.metrics import ece
from trainer.report.curves import GRID, curves, precision_recall_points, reliability, roc_points


@pytest.fixture(scope="module")
def films():
    random = np.random.default_rng(3)
    positive = random.random(300) < 0.6
    scores = np.round(1 / (1 + np.exp(-random.normal(1.5 * positive - 0.7))), 2)  # rounded: ties
    return positive, scores, np.arange(300) // 2


def test_the_roc_has_the_points_of_scikit_learn(films) -> None:
    positive, scores, _ = films
    false_rate, true_rate, _ = roc_curve(positive, scores, drop_intermediate=False)

    found = roc_points(positive, scores)

    np.testing.assert_allclose(found[0], false_rate)
    np.testing.assert_allclose(found[1], true_rate)


def test_precision_and_recall_are_those_of_scikit_learn(films) -> None:
    positive, scores, _ = films
    precision, recall, _ = precision_recall_curve(positive, scores)

    found = precision_recall_points(positive, scores)

    np.testing.assert_allclose(found[0], recall[-2::-1])
    np.testing.assert_allclose(found[1], precision[-2::-1])
    area = (np.diff(found[0], prepend=0) * found[1]).sum()
    assert area == pytest.approx(average_precision_score(positive, scores))


def test_a_film_that_counts_twice_counts_as_two(films) -> None:
    positive, scores, _ = films
    twice = np.where(np.arange(300) < 50, 2.0, 1.0)
    repeated = np.repeat(np.arange(300), twice.astype(int))

    for points in (roc_points, precision_recall_points):
        weighted = points(positive, scores, twice)
        listed = points(positive[repeated], scores[repeated])

        np.testing.assert_allclose(weighted, listed)


def test_each_band_holds_its_curve_and_is_wider_for_fewer_patients(films) -> None:
    positive, scores, patients = films
    whole = curves(positive, scores, patients, resamples=400)
    part = curves(positive[:80], scores[:80], patients[:80], resamples=400)

    for name in ("sensitivity", "specificity"):
        curve = getattr(whole, name)
        np.testing.assert_array_equal(curve.x, GRID)
        assert (curve.band.low - 0.01 <= curve.y).all()
        assert (curve.y <= curve.band.high + 0.01).all()
    inner = slice(5, 60)
    assert (whole.roc.band.low <= np.interp(GRID, whole.roc.x, whole.roc.y) + 0.01)[inner].all()
    for name in ("roc", "precision_recall", "sensitivity"):
        wide, narrow = (getattr(found, name).band for found in (part, whole))
        assert (wide.high - wide.low).mean() > 1.3 * (narrow.high - narrow.low).mean()
    assert whole.prevalence == positive.mean()


def test_the_threshold_sweep_counts_films_at_or_above_it(films) -> None:
    positive, scores, patients = films
    found = curves(positive, scores, patients, resamples=20)

    assert found.sensitivity.y[40] == pytest.approx((scores[positive] >= GRID[40]).mean())
    assert found.specificity.y[40] == pytest.approx((scores[~positive] < GRID[40]).mean())
    assert (found.sensitivity.y[0], found.specificity.y[0]) == (1, 0)


def test_films_of_one_patient_widen_the_band(films) -> None:
    positive, scores, _ = films
    twice = (np.repeat(positive, 2), np.repeat(scores, 2))

    together = curves(*twice, np.repeat(np.arange(300), 2), resamples=400).roc.band
    apart = curves(*twice, np.arange(600), resamples=400).roc.band

    assert (together.high - together.low).mean() > 1.2 * (apart.high - apart.low).mean()


@pytest.mark.parametrize("count", [7, 16, 300])
def test_the_gaps_of_the_bins_are_the_expected_calibration_error(films, count) -> None:
    positive, scores, _ = (values[:count] for values in films)

    bins = reliability(positive, scores)

    shares = np.array([share.value for share in bins.correct])
    error = (np.abs(shares - bins.confidence) * bins.counts).sum() / count
    assert error == pytest.approx(float(ece(positive, scores)))
    assert bins.counts.sum() == count
    assert bins.counts.max() - bins.counts.min() <= 1
    assert all(share.low <= share.value <= share.high for share in bins.correct)
