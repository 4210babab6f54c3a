"""Intervals equal published tables and hold the truth as often as they promise."""

from functools import partial

import numpy as np
import pytest

from biostatistics.intervals import (
    bayesian_bootstrap,
    bootstrap,
    ece_interval,
    mean_interval,
    percentile_interval,
    wilson_interval,
)
from biostatistics.metrics import auprc, confusion, ece, f1, mcc
from schemas.estimate import Estimate


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_newcombes_table_of_1998(successes, trials, low, high) -> None:
    interval = wilson_interval(successes, trials)

    assert interval.value == successes / trials
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetrical_and_encloses_its_value_at_both_ends() -> None:
    for trials in range(1, 60):
        for successes in range(trials + 1):
            interval = wilson_interval(successes, trials)
            mirrored = wilson_interval(trials - successes, trials)

            assert 0 <= interval.low <= interval.value <= interval.high <= 1
            assert interval.low == pytest.approx(1 - mirrored.high)


def test_wilson_widens_with_the_confidence_asked_for() -> None:
    assert wilson_interval(5, 10, confidence=0.99).high > wilson_interval(5, 10).high


@pytest.mark.simulation
@pytest.mark.parametrize("proportion", [0.05, 0.5, 0.96])
def test_wilson_holds_the_truth_as_often_as_it_promises(proportion) -> None:
    drawn = np.random.default_rng(1).binomial(100, proportion, 2000)
    intervals = {count: wilson_interval(count, 100) for count in set(drawn.tolist())}

    held = np.mean([intervals[count].low <= proportion <= intervals[count].high for count in drawn.tolist()])

    assert held == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_what_is_no_proportion_is_refused(successes, trials) -> None:
    with pytest.raises(ValueError, match="is not a proportion"):
        wilson_interval(successes, trials)


def test_the_interval_of_a_mean_equals_newcombes_method_10() -> None:
    # Newcombe, Stat. Med. 17 (1998) 873-890, table II (a): 56/70 - 48/80 is 0.2 [0.0524, 0.3339].
    first = wilson_interval(56, 70)
    second = wilson_interval(48, 80)
    negative = Estimate(value=-second.value, low=-second.high, high=-second.low)

    interval = mean_interval([first, negative])

    assert [2 * end for end in (interval.value, interval.low, interval.high)] == pytest.approx(
        [0.2, 0.0524, 0.3339], abs=5e-5
    )


@pytest.mark.simulation
def test_the_interval_of_a_mean_of_two_proportions_holds_the_truth_as_often_as_it_promises() -> None:
    drawn = np.random.default_rng(4).binomial((40, 200), (0.95, 0.7), (1000, 2)).tolist()
    intervals = [mean_interval([wilson_interval(few, 40), wilson_interval(many, 200)]) for few, many in drawn]

    assert np.mean([interval.low <= 0.825 <= interval.high for interval in intervals]) == pytest.approx(0.95, abs=0.025)


def labels_and_patients(random):
    """60 patients, every other of each class, with one to three films."""
    patients = np.repeat(np.arange(60), random.integers(1, 4, 60))
    return patients % 2, patients


def test_resamples_keep_the_number_of_patients_of_each_class_and_patients_whole() -> None:
    labels, patients = labels_and_patients(np.random.default_rng(3))

    weights = bootstrap(lambda rows: rows, labels, patients=patients, resamples=50)
    first_film = np.unique(patients, return_index=True)[1]

    assert weights.shape == (50, len(labels))
    assert np.array_equal(weights, weights[:, first_film[patients]])
    assert (weights[:, first_film][:, 0::2].sum(axis=1) == 30).all()
    assert (weights[:, first_film][:, 1::2].sum(axis=1) == 30).all()


def test_every_class_stands_in_every_resample_however_rare() -> None:
    labels = np.array([0] * 50 + [1] + [2])
    patients = np.array([*range(50), 7, 50])

    weights = bootstrap(lambda rows: rows, labels, patients=patients, resamples=200)

    assert (weights[:, labels == 1].sum(axis=1) > 0).all()
    assert (weights[:, labels == 2].sum(axis=1) > 0).all()


def test_the_same_seed_gives_the_same_resamples_whatever_the_block() -> None:
    labels = np.arange(1500) % 2

    large = bootstrap(lambda rows: rows[:, :3], labels, resamples=1400, seed=5)

    assert large.shape == (1400, 3)
    assert np.array_equal(large, bootstrap(lambda rows: rows[:, :3], labels, resamples=1400, seed=5))
    assert not np.array_equal(large, bootstrap(lambda rows: rows[:, :3], labels, resamples=1400, seed=6))


@pytest.mark.simulation
@pytest.mark.parametrize("by_patient", [True, False])
def test_percentile_intervals_hold_the_truth_as_often_as_they_promise_only_by_patient(by_patient) -> None:
    held = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        labels, patients = labels_and_patients(random)
        values = random.normal(size=60)[patients] + 0.1 * random.normal(size=len(patients))

        def mean(weights, values=values):
            return (weights @ values / weights.sum(axis=1))[:, None]

        replicates = bootstrap(mean, labels, patients=patients if by_patient else None, resamples=300)
        interval = percentile_interval(float(values.mean()), replicates[:, 0])
        held.append(interval.low <= 0 <= interval.high)

    assert (np.mean(held) > 0.9) == by_patient


def figures_of_labels(truth, scores, weights=None):
    """AUPRC, F1 of the second class, macro F1 and Matthews correlation, [B, 4]."""
    counts = confusion(truth, scores >= 0.7, 2, weights)
    by_class = f1(counts)
    columns = (auprc(truth == 1, scores, weights), by_class[..., 1], by_class.mean(axis=-1), mcc(counts))
    return np.stack(columns, axis=-1)


@pytest.mark.simulation
def test_percentile_intervals_of_every_resampled_figure_hold_the_truth_as_often_as_they_promise() -> None:
    def drawn(seed, films):
        truth = np.arange(films) % 3 % 2
        return truth, np.random.default_rng(seed).normal(1.4 * truth, 1.0)

    true = figures_of_labels(*drawn(0, 300_000))
    held = []
    for seed in range(1, 151):
        truth, scores = drawn(seed, 240)
        replicates = bootstrap(partial(figures_of_labels, truth, scores), truth, resamples=400)
        intervals = [
            percentile_interval(float(value), column)
            for value, column in zip(figures_of_labels(truth, scores), replicates.T, strict=True)
        ]
        held.append([each.low <= value <= each.high for each, value in zip(intervals, true, strict=True)])

    assert np.mean(held, axis=0) == pytest.approx([0.945] * 4, abs=0.045)


def errors_of_resamples(correct, confidence, weights):
    return ece(correct, confidence, weights)[:, None]


@pytest.mark.simulation
@pytest.mark.parametrize("error", [0.0, 0.02, 0.1])
def test_the_interval_of_a_calibration_error_holds_it_where_the_percentile_interval_misses_it(error) -> None:
    held, held_by_percentiles = 0, 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        confidence = 1 - 0.5 * random.beta(0.3, 4, 600)
        correct = random.random(600) < np.clip(confidence - error, 0, 1)
        replicates = bootstrap(
            partial(errors_of_resamples, correct, confidence),
            np.zeros(600, int),
            resamples=300,
        )[:, 0]
        interval = ece_interval(correct, confidence, replicates)
        naive = percentile_interval(interval.value, replicates)
        held += interval.low <= error <= interval.high
        held_by_percentiles += naive.low <= error <= naive.high

    assert held >= 88
    assert (held_by_percentiles >= 88) == (error == 0.1)


def test_the_interval_of_a_small_calibration_error_begins_at_zero() -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 500)
    correct = random.random(500) < confidence

    assert ece_interval(correct, confidence, np.full(10, 0.06)).low == 0


def test_reweighted_patients_give_the_spread_that_resampled_ones_give() -> None:
    random = np.random.default_rng(0)
    patients = np.repeat(np.arange(150), 2)
    values = random.normal(np.repeat(random.normal(size=150), 2), 0.3)

    def mean(weights):
        return (weights @ values / weights.sum(axis=1))[:, None]

    replicates = bayesian_bootstrap(mean, 300, patients=patients, seed=1)
    resampled = bootstrap(mean, np.zeros(300, np.int64), patients=patients, seed=1)

    assert replicates.shape == (2000, 1)
    assert replicates.mean() == pytest.approx(values.mean(), abs=0.01)
    assert replicates.std() == pytest.approx(resampled.std(), rel=0.08)
    assert np.array_equal(replicates, bayesian_bootstrap(mean, 300, patients=patients, seed=1))


def test_no_reweighting_loses_the_only_film_of_a_finding() -> None:
    weights = bayesian_bootstrap(lambda each: each, 30, resamples=200)

    assert (weights > 0).all()
