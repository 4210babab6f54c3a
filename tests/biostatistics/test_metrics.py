"""Every figure equals scikit-learn's or a hand count, with and without weights; weights are repetitions."""

import numpy as np
import pytest
from sklearn import metrics as reference

from biostatistics.metrics import auprc, auroc, brier, confusion, ece, f1, findings_auroc, macro_auroc, mcc

RANDOM = np.random.default_rng(20250101)
POSITIVE = RANDOM.random(300) < 0.3
SCORES = np.round(RANDOM.normal(POSITIVE, 1.0), 1)  # rounded: many ties
TRUTH = RANDOM.integers(0, 3, 300)
PROBABILITIES = RANDOM.dirichlet((1, 1, 1), 300) * 0.6 + 0.4 * np.eye(3)[TRUTH]
LABEL = PROBABILITIES.argmax(axis=1)
WEIGHTS = RANDOM.multinomial(300, [1 / 300] * 300, size=4).astype(float)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(auroc, reference.roc_auc_score), (auprc, reference.average_precision_score)]
)
def test_ranking_figures_equal_scikit_learns_with_ties(ours, theirs) -> None:
    assert ours(POSITIVE, SCORES) == pytest.approx(theirs(POSITIVE, SCORES), abs=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(auroc, reference.roc_auc_score), (auprc, reference.average_precision_score)]
)
def test_ranking_figures_of_resamples_equal_scikit_learns_sample_weights(ours, theirs) -> None:
    expected = [theirs(POSITIVE, SCORES, sample_weight=row) for row in WEIGHTS]

    assert ours(POSITIVE, SCORES, WEIGHTS) == pytest.approx(expected, abs=1e-12)


def test_a_resample_equals_the_films_repeated() -> None:
    repeated = np.repeat(np.arange(300), WEIGHTS[0].astype(int))

    assert auroc(POSITIVE, SCORES, WEIGHTS[0]) == pytest.approx(auroc(POSITIVE[repeated], SCORES[repeated]))
    assert brier(TRUTH, PROBABILITIES, WEIGHTS[0]) == pytest.approx(brier(TRUTH[repeated], PROBABILITIES[repeated]))


@pytest.mark.parametrize(
    ("scores", "expected"), [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5)]
)
def test_auroc_of_order_reversed_order_and_no_order(scores, expected) -> None:
    assert auroc([False, False, True, True], scores) == expected


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
@pytest.mark.parametrize("figure", [auroc, auprc])
def test_a_ranking_of_one_class_is_refused(figure, positive) -> None:
    with pytest.raises(ValueError, match="a ranking needs positive and negative films"):
        figure(positive, [0.1, 0.2])


def test_macro_auroc_averages_each_class_against_the_rest() -> None:
    expected = reference.roc_auc_score(TRUTH, PROBABILITIES, multi_class="ovr", average="macro")

    assert macro_auroc(TRUTH, PROBABILITIES) == pytest.approx(expected, abs=1e-12)
    assert macro_auroc(TRUTH, PROBABILITIES, WEIGHTS).shape == (4,)


def test_macro_auroc_of_two_classes_is_that_of_the_second() -> None:
    pair = np.stack([1 - SCORES, SCORES], axis=1)

    assert macro_auroc(POSITIVE.astype(int), pair, WEIGHTS) == pytest.approx(auroc(POSITIVE, SCORES, WEIGHTS))


def test_the_brier_score_of_two_classes_is_scikit_learns_and_of_more_half_of_it() -> None:
    pair = np.stack([1 - PROBABILITIES[:, 0], PROBABILITIES[:, 0]], axis=1)

    assert brier(POSITIVE.astype(int), pair) == pytest.approx(reference.brier_score_loss(POSITIVE, pair[:, 1]))
    assert brier(TRUTH, PROBABILITIES) == pytest.approx(reference.brier_score_loss(TRUTH, PROBABILITIES) / 2)
    assert brier([0, 1, 1], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]) == 1


def test_ece_by_hand_in_bins_of_equally_many_films() -> None:
    confidence = [0.6, 0.7, 0.9, 1.0]
    correct = [True, False, True, True]

    assert ece(correct, confidence, bins=2) == pytest.approx((abs(0.65 - 0.5) + abs(0.95 - 1)) / 2)
    assert ece(correct, confidence, bins=1) == pytest.approx(abs(0.8 - 0.75))
    assert ece(correct, confidence, bins=99) == pytest.approx((0.4 + 0.7 + 0.1 + 0) / 4)


def test_ece_counts_a_film_as_often_as_its_weight_says() -> None:
    weights = np.array([[1.0, 0, 0, 0], [0, 2, 0, 2]])

    assert ece([True, False, True, True], [0.6, 0.7, 0.9, 1.0], weights, bins=2) == pytest.approx([0.4, 0.35])


def test_ece_is_small_for_calibrated_and_large_for_overconfident_probabilities() -> None:
    confidence = RANDOM.uniform(0.5, 1, 20_000)
    correct = RANDOM.random(20_000) < confidence

    assert ece(correct, confidence) < 0.012
    assert ece(correct, np.ones(20_000)) == pytest.approx(0.25, abs=0.01)


def test_confusion_and_what_follows_from_it_equal_scikit_learns() -> None:
    counts = confusion(TRUTH, LABEL, 3)

    assert np.array_equal(counts, reference.confusion_matrix(TRUTH, LABEL))
    assert f1(counts) == pytest.approx(reference.f1_score(TRUTH, LABEL, average=None))
    assert mcc(counts) == pytest.approx(reference.matthews_corrcoef(TRUTH, LABEL))


def test_confusions_of_resamples_equal_scikit_learns_sample_weights() -> None:
    counts = confusion(TRUTH, LABEL, 3, WEIGHTS)

    for row, weights in zip(counts, WEIGHTS, strict=True):
        assert np.array_equal(row, reference.confusion_matrix(TRUTH, LABEL, sample_weight=weights))
    assert mcc(counts) == pytest.approx(
        [reference.matthews_corrcoef(TRUTH, LABEL, sample_weight=weights) for weights in WEIGHTS]
    )


def test_figures_of_a_label_that_never_varies_are_zero_not_undefined() -> None:
    counts = confusion([0, 0, 1], [0, 0, 0], 3)

    assert mcc(counts) == 0
    assert f1(counts).tolist() == [0.8, 0, 0]


def test_the_area_over_findings_is_the_mean_of_each_where_it_is_known() -> None:
    truth = np.stack([POSITIVE, RANDOM.random(300) < 0.5], axis=1).astype(np.float32)
    truth[:40, 0] = np.nan
    truth[250:, 1] = 0.7
    scores = RANDOM.random((300, 2))

    parts = (slice(40, None), 0), (slice(None, 250), 1)

    def area(weights=None):
        return np.mean(
            [
                reference.roc_auc_score(
                    truth[part], scores[part], sample_weight=None if weights is None else weights[part[0]]
                )
                for part in parts
            ]
        )

    expected = area()
    weighted = [area(row) for row in WEIGHTS]

    assert findings_auroc(truth, scores) == pytest.approx(expected, abs=1e-12)
    assert findings_auroc(truth, scores, WEIGHTS) == pytest.approx(np.array(weighted), abs=1e-12)


def test_ranking_figures_take_weights_below_one() -> None:
    weights = RANDOM.standard_exponential((3, 300)) / 100
    expected = [reference.average_precision_score(POSITIVE, SCORES, sample_weight=row) for row in weights]

    assert auprc(POSITIVE, SCORES, weights) == pytest.approx(np.array(expected), abs=1e-12)
