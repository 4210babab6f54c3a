"""Two networks are compared film by film: DeLong's test for two classes, resampled patients for more."""

import numpy as np
import pytest

from biostatistics.comparison import compare
from biostatistics.delong import delong_test
from biostatistics.metrics import findings_auroc, macro_auroc


def networks(seed, *, films=150, classes=3, edge=0.0, films_per_patient=1):
    """Truth, patients, and two networks of which the first is better by `edge`."""
    random = np.random.default_rng(seed)
    patients = np.repeat(np.arange(films // films_per_patient), films_per_patient)
    labels = patients % classes
    shared = random.normal(0, 1, (films // films_per_patient, classes))[patients]
    scores = [
        (1.0 + gain) * np.eye(classes)[labels] + shared + random.normal(0, 0.7, (films, classes)) for gain in (edge, 0)
    ]
    return labels, *(np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True) for rows in scores), patients.astype(str)


def test_two_classes_are_compared_by_delongs_test_by_patient() -> None:
    labels, first, second, patients = networks(0, classes=2, films_per_patient=2, edge=0.5)

    found = compare(labels, first, second, patients)

    assert found == delong_test(labels == 1, first[:, 1], second[:, 1], patients=patients)
    assert found.difference.value > 0


def test_more_classes_are_compared_by_their_macro_auroc() -> None:
    labels, first, second, patients = networks(1, films=300, edge=1.5)

    found = compare(labels, first, second, patients)

    assert found.difference.value == pytest.approx(macro_auroc(labels, first) - macro_auroc(labels, second))
    assert found.difference.low > 0
    assert found.p_value == pytest.approx(2 / 2001)


def test_changing_the_order_of_the_networks_changes_the_sign_alone() -> None:
    labels, first, second, patients = networks(2, edge=0.3)

    forth = compare(labels, first, second, patients)
    back = compare(labels, second, first, patients)

    assert forth.p_value == back.p_value
    assert [-back.difference.high, -back.difference.low] == pytest.approx([forth.difference.low, forth.difference.high])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_network_does_not_differ_from_itself(classes) -> None:
    labels, first, _, patients = networks(3, classes=classes)

    found = compare(labels, first, first, patients)

    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.p_value == 1


@pytest.mark.simulation
def test_the_p_value_is_below_five_percent_where_the_interval_excludes_zero() -> None:
    for seed in range(6):
        found = compare(*networks(seed, films=90, edge=0.25))

        assert (found.p_value < 0.05) == (not found.difference.low <= 0 <= found.difference.high)


@pytest.mark.simulation
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("by_patient", [True, False])
def test_equal_networks_are_told_apart_as_rarely_as_promised_only_by_patient(by_patient, classes) -> None:
    refused = []
    for seed in range(120):
        labels, first, second, patients = networks(seed, films=60, classes=classes)
        # Four films of a patient look nearly alike: there are 60 answers to count, not 240.
        repeated = np.repeat(np.arange(60), 4)
        who = patients[repeated] if by_patient else np.arange(240).astype(str)
        refused.append(compare(labels[repeated], first[repeated], second[repeated], who).p_value < 0.05)

    assert (np.mean(refused) < 0.1) == by_patient


def test_networks_of_different_films_are_refused() -> None:
    labels, first, second, patients = networks(4)

    with pytest.raises(ValueError, match="the same films"):
        compare(labels, first, second[:-1], patients)


def test_findings_are_compared_by_the_mean_of_their_areas_where_they_are_known() -> None:
    random = np.random.default_rng(0)
    labels = (random.random((240, 3)) < 0.3).astype(np.float32)
    worse = 1 / (1 + np.exp(-labels - random.normal(0, 1, (240, 3))))
    better = 1 / (1 + np.exp(-3 * labels - random.normal(0, 1, (240, 3))))
    labels[random.random((240, 3)) < 0.2] = np.nan
    patients = np.arange(240) // 2

    found = compare(labels, better, worse, patients)

    assert found.difference.value == pytest.approx(findings_auroc(labels, better) - findings_auroc(labels, worse))
    assert found.difference.low > 0
    assert found.p_value < 0.01
    assert compare(labels, worse, worse, patients).p_value == 1
