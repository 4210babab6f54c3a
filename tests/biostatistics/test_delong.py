"""Sampling errors of areas under the ROC curve: against brute force, and by how often the intervals hold the truth."""

from statistics import NormalDist

import numpy as np
import pytest

from biostatistics.delong import delong_interval, delong_test, newcombe_interval
from biostatistics.metrics import auroc

Z = NormalDist().inv_cdf(0.975)


def brute_force_covariance(positive, rows):
    """DeLong, DeLong and Clarke-Pearson (1988), equations 4 to 6, from every pair of films."""
    wins = []
    for scores in rows:
        x, y = scores[positive][:, None], scores[~positive][None]
        wins.append((x > y) + 0.5 * (x == y))
    by_positive, by_negative = ([win.mean(axis=axis) for win in wins] for axis in (1, 0))
    return np.cov(by_positive) / positive.sum() + np.cov(by_negative) / (~positive).sum()


def binormal(seed, positives, negatives, distance):
    random = np.random.default_rng(seed)
    positive = np.arange(positives + negatives) < positives
    return positive, random.normal(positive * distance, 1.0)


def logit(p):
    return np.log(p / (1 - p))


def test_the_interval_equals_brute_force_on_the_logit_scale() -> None:
    positive, scores = binormal(0, 40, 30, 1.5)
    scores = np.round(scores, 1)
    area = float(auroc(positive, scores))
    spread = np.sqrt(brute_force_covariance(positive, [scores, scores])[0, 0]) / (area * (1 - area))

    interval = delong_interval(positive, scores)

    assert interval.value == pytest.approx(area, abs=1e-12)
    assert logit(interval.low) == pytest.approx(logit(area) - Z * spread)
    assert logit(interval.high) == pytest.approx(logit(area) + Z * spread)


def test_the_paired_test_equals_brute_force() -> None:
    positive, first = binormal(1, 40, 30, 1.5)
    second = first + np.random.default_rng(2).normal(0, 1, 70)
    covariance = brute_force_covariance(positive, [first, second])
    difference = auroc(positive, first) - auroc(positive, second)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])

    found = delong_test(positive, first, second)

    assert found.difference.value == pytest.approx(difference, abs=1e-12)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (difference - Z * error, difference + Z * error)
    )
    assert found.p_value == pytest.approx(2 * NormalDist().cdf(-abs(difference) / error))


# Of 43 women with ovarian cancer: albumin in g/l, Krebs-Goplerud score, and whether she did well.
OVARIAN = np.loadtxt(
    [
        (
            "30 32 39 28 32 9 25 16 38 37 32 38 41 36 43 36 23 42 40 35 38 30 45 37 31 41 43 43 32 26 33 17 37 "
            "33 42 35 29 21 28 40 33 37 36"
        ),
        "10 5 3 6 3 5 8 5 5 6 4 6 5 5 4 4 6 4 6 6 7 8 5 5 6 6 5 4 5 6 6 7 5 7 6 5 9 7 8 7 6 5 5",
        "0 1 1 0 1 0 0 1 1 1 1 1 1 1 1 0 1 0 0 1 1 0 1 1 1 1 1 1 1 1 0 0 1 1 1 1 0 1 0 1 1 1 1",
    ]
)


def test_the_paired_test_equals_the_published_example() -> None:
    # Data of DeLong et al. (1988); albumin minus score, SAS/STAT User's Guide, PROC LOGISTIC, "Comparing ROC Curves".
    albumin, score, did_well = OVARIAN

    found = delong_test(did_well == 1, albumin, -score)

    assert (found.difference.value, found.difference.low, found.difference.high) == pytest.approx(
        (0.0108, -0.1761, 0.1976), abs=5e-5
    )
    assert found.p_value == pytest.approx(0.9102, abs=5e-5)


def test_a_network_does_not_differ_from_itself() -> None:
    positive, scores = binormal(3, 20, 20, 1)

    assert delong_test(positive, scores, scores).p_value == pytest.approx(1)
    assert delong_test(positive, scores, 2 * scores + 1).difference.value == 0


def test_a_perfect_network_differs_from_one_that_is_always_wrong() -> None:
    positive = np.array([True, True, False, False])

    assert delong_test(positive, -1.0 * positive, 1.0 * positive).p_value == 0


@pytest.mark.simulation
def test_the_paired_test_refuses_equality_as_often_as_it_promises() -> None:
    refused = []
    for seed in range(300):
        positive, truth = binormal(seed, 50, 50, 1.5)
        noise = np.random.default_rng(10_000 + seed).normal(0, 0.7, (2, 100))
        refused.append(delong_test(positive, truth + noise[0], truth + noise[1]).p_value < 0.05)

    assert np.mean(refused) == pytest.approx(0.05, abs=0.03)


@pytest.mark.simulation
@pytest.mark.parametrize(("positives", "negatives", "distance"), [(40, 40, 1.0), (390, 234, 2.5), (30, 60, 3.0)])
def test_the_interval_holds_the_truth_as_often_as_it_promises(positives, negatives, distance) -> None:
    area = NormalDist().cdf(distance / np.sqrt(2))
    intervals = [delong_interval(*binormal(seed, positives, negatives, distance)) for seed in range(400)]

    held = np.mean([interval.low <= area <= interval.high for interval in intervals])

    assert held == pytest.approx(0.95, abs=0.03)


@pytest.mark.simulation
@pytest.mark.parametrize("by_patient", [True, False])
def test_films_of_one_patient_are_not_independent(by_patient) -> None:
    area = NormalDist().cdf(1.5 / np.sqrt(2))
    held = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        patients = np.repeat(np.arange(60), 4)
        positive = patients < 30
        scores = positive * 1.5 + (0.9**0.5 * random.normal(size=60)[patients] + 0.1**0.5 * random.normal(size=240))
        interval = delong_interval(positive, scores, patients=patients if by_patient else None)
        held.append(interval.low <= area <= interval.high)

    assert (np.mean(held) > 0.9) == by_patient


def test_patients_may_have_films_of_both_classes() -> None:
    positive, scores = binormal(5, 30, 30, 1.0)
    shared = np.random.default_rng(6).normal(0, 2, 30)
    patients = np.tile(np.arange(30), 2)
    paired = scores + shared[patients]  # the same shift up of a patient's two films cancels in the comparison

    assert delong_interval(positive, paired, patients=patients).low > delong_interval(positive, paired).low


@pytest.mark.parametrize("sign", [1, -1])
def test_perfect_order_has_an_interval_that_admits_less(sign) -> None:
    positive = np.arange(60) < 30

    interval = delong_interval(positive, sign * np.where(positive, 2.0, 1.0))
    far_end = interval.low if sign == 1 else interval.high

    assert interval.value == (sign + 1) / 2
    assert abs(far_end - interval.value) == pytest.approx(0.06, abs=0.03)


def test_a_network_that_says_the_same_of_every_film_is_not_surely_worth_a_coin() -> None:
    interval = delong_interval(np.arange(40) < 20, np.ones(40))

    assert interval.value == 0.5
    assert interval.high - interval.low > 0.2


def test_a_single_patient_shows_no_variance_and_gets_the_interval_of_the_counts() -> None:
    positive, scores = binormal(7, 5, 30, 1.0)
    patients = np.where(positive, 0, np.arange(35))

    interval = delong_interval(positive, scores, patients=patients)

    assert interval == newcombe_interval(interval.value, 1, 30)
    assert interval.high - interval.low > 0.5


@pytest.mark.parametrize("area", [0.0, 0.3, 0.9, 1.0])
def test_the_interval_of_the_counts_solves_its_equation(area) -> None:
    # Hanley and McNeil's variance with both m - 1 and n - 1 replaced by (m + n) / 2 - 1.
    interval = newcombe_interval(area, 30, 50)

    for true in {interval.low, interval.high} - {0.0, 1.0}:
        q1 = true / (2 - true)
        q2 = 2 * true**2 / (1 + true)
        variance = (true * (1 - true) + 39 * (q1 - true**2 + q2 - true**2)) / (30 * 50)
        assert (area - true) ** 2 == pytest.approx(Z**2 * variance)
    assert interval.low < area or area == 0
    assert interval.high > area or area == 1


@pytest.mark.simulation
def test_the_interval_of_the_counts_holds_the_truth_near_one() -> None:
    area = NormalDist().cdf(3.5 / np.sqrt(2))
    held = []
    for seed in range(300):
        interval = newcombe_interval(float(auroc(*binormal(seed, 25, 25, 3.5))), 25, 25)
        held.append(interval.low <= area <= interval.high)

    assert np.mean(held) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_films_of_one_class_are_refused(positive) -> None:
    with pytest.raises(ValueError, match="a ROC curve needs positive and negative films"):
        delong_interval(positive, [0.1, 0.2])
