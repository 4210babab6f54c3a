"""Rules of the decision about one film."""

import numpy as np
import pytest

from bundle.opening import open_bundle
from schemas.errors import BundleError, InferenceError
from schemas.model.manifest import STATISTICS
from service.answers.decision import RECOMMENDATIONS, load_statistics
from service.answers.decision import decide as decide_about
from service.answers.guide import Look
from service.engine.engine import Outputs
from tests.service.bundles import replace_file, write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tiny_models):
    return open_bundle(tiny_models / "tiny" / "1.0.0")


THUMBNAIL = np.zeros(256)


def decide(manifest, statistics, outputs, warnings=(), thumbnail=THUMBNAIL):
    """About a film of an everyday thumbnail."""
    return decide_about(manifest, statistics, outputs, thumbnail, Look(warnings))


def outputs(pneumonia, embedding=(0.65, 0.0, 0.0)):
    """Of one film with this probability; the embedding is that of a typical film of the class."""
    probabilities = np.array([[1 - pneumonia, pneumonia]], np.float32)
    return Outputs(np.zeros((1, 2), np.float32), probabilities, np.array([embedding], np.float32))


def familiar(pneumonia):
    return outputs(pneumonia, (0.65 if pneumonia >= 0.3 else 0.35, 0, 0))


@pytest.mark.parametrize(
    ("pneumonia", "label", "decision", "prediction_set", "band"),
    [
        # threshold 0.3; a class is in the set from 0.6
        (0.97, "PNEUMONIA", "positive", ("PNEUMONIA",), "high"),
        (0.91, "PNEUMONIA", "positive", ("PNEUMONIA",), "high"),
        (0.75, "PNEUMONIA", "positive", ("PNEUMONIA",), "medium"),
        (0.65, "PNEUMONIA", "positive", ("PNEUMONIA",), "low"),
        (0.50, "PNEUMONIA", "abstain", (), "low"),
        (0.35, "PNEUMONIA", "abstain", ("NORMAL",), "low"),
        (0.25, "NORMAL", "negative", ("NORMAL",), "medium"),
        (0.02, "NORMAL", "negative", ("NORMAL",), "high"),
    ],
)
def test_threshold_quantiles_and_bands_decide(bundle, *, pneumonia, label, decision, prediction_set, band) -> None:
    prediction = decide(bundle.manifest, load_statistics(bundle), familiar(pneumonia))

    assert (prediction.label, prediction.decision) == (label, decision)
    assert (prediction.prediction_set, prediction.confidence_band) == (prediction_set, band)
    assert prediction.probabilities == pytest.approx({"NORMAL": 1 - pneumonia, "PNEUMONIA": pneumonia})
    assert prediction.operating_point.finding == "PNEUMONIA"
    assert prediction.calibrated


def test_a_film_far_from_the_training_films_is_not_answered_however_sure_the_network_is(bundle) -> None:
    prediction = decide(bundle.manifest, load_statistics(bundle), outputs(0.99, (2.0, 0, 0)))

    assert (prediction.decision, prediction.in_distribution, prediction.confidence_band) == ("abstain", False, "low")
    assert "differs from those that the network was trained on" in prediction.recommendation
    assert prediction.out_of_distribution_score > 3


@pytest.mark.parametrize("pneumonia", [0.02, 0.5, 0.97])
def test_a_film_that_is_not_frontal_is_not_answered_however_sure_the_network_is(bundle, pneumonia) -> None:
    prediction = decide(bundle.manifest, load_statistics(bundle), familiar(pneumonia), ("overlay", "not_frontal"))

    assert (prediction.decision, prediction.confidence_band) == ("abstain", "low")
    assert "not a frontal film" in prediction.recommendation
    assert decide(bundle.manifest, None, familiar(0.97), ("overlay",)).decision == "positive"


@pytest.mark.parametrize("pneumonia", [0.02, 0.97])
def test_a_film_of_little_contrast_is_not_answered_however_sure_the_network_is(bundle, pneumonia) -> None:
    prediction = decide(bundle.manifest, load_statistics(bundle), familiar(pneumonia), ("low_contrast",))

    assert (prediction.decision, prediction.confidence_band) == ("abstain", "low")
    assert prediction.abstention_reasons == ("low_contrast",)
    assert "a small part of its gray levels" in prediction.recommendation


def test_an_answer_names_every_reason_for_which_it_was_not_given(bundle) -> None:
    warnings = ("low_contrast", "not_frontal")
    strange = decide(bundle.manifest, load_statistics(bundle), outputs(0.99, (2.0, 0, 0)), warnings)

    assert strange.abstention_reasons == ("not_frontal", "low_contrast", "unfamiliar")
    assert "not a frontal film" in strange.recommendation
    assert decide(bundle.manifest, None, familiar(0.97), ("overlay",)).abstention_reasons == ()


@pytest.mark.parametrize("pneumonia", [0.01, 0.99])
def test_a_film_like_those_of_a_class_is_familiar_whatever_the_network_calls_it(bundle, pneumonia) -> None:
    prediction = decide(bundle.manifest, load_statistics(bundle), outputs(pneumonia, (0.65, 0, 0)))

    assert prediction.in_distribution
    assert prediction.out_of_distribution_score < 0.01


def test_the_score_is_one_at_the_cutoff(bundle) -> None:
    statistics = load_statistics(bundle)

    # 0.3 of the range beyond the mean of 0.65 are three units of score, and the cut-off is 3
    scores = [decide(bundle.manifest, statistics, outputs(0.99, (x, 0, 0))) for x in (0.94, 0.96)]

    assert [prediction.in_distribution for prediction in scores] == [True, False]
    assert [prediction.out_of_distribution_score for prediction in scores] == pytest.approx([0.967, 1.033], abs=0.01)


def test_a_film_whose_thumbnail_is_strange_is_not_answered_however_usual_its_embedding(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    arrays = dict(np.load(directory / STATISTICS)) | {
        "thumbnail_center": np.zeros(256),
        "thumbnail_projection": np.eye(256, 1),
        "thumbnail_class_means": np.zeros((2, 1)),
        "scales": np.ones((2, 2)),
    }
    np.savez(directory / "other.npz", **arrays)
    replace_file(directory, STATISTICS, (directory / "other.npz").read_bytes())
    strange_bundle = open_bundle(directory)
    statistics = load_statistics(strange_bundle)

    decisions = [
        decide(strange_bundle.manifest, statistics, familiar(0.97), thumbnail=strange * np.ones(256)).decision
        for strange in (2.9, 3.1)
    ]

    assert decisions == ["positive", "abstain"]


def test_without_statistics_nothing_is_said_about_the_distribution(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path, statistics=False))

    prediction = decide(bundle.manifest, load_statistics(bundle), outputs(0.97))

    assert (prediction.in_distribution, prediction.out_of_distribution_score) == (None, None)
    assert prediction.decision == "positive"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_are_never_an_answer(bundle, value) -> None:
    with pytest.raises(InferenceError):
        decide(bundle.manifest, None, outputs(value))


def test_a_probability_that_rounding_left_above_one_is_one(bundle) -> None:
    film = Outputs(np.zeros((1, 2), np.float32), np.array([[0, 1.0000001]], np.float32), np.zeros((1, 3), np.float32))

    assert decide(bundle.manifest, None, film).probabilities["PNEUMONIA"] == 1.0


@pytest.mark.parametrize("sentence", RECOMMENDATIONS.values())
def test_no_recommendation_calls_a_film_clear_or_a_patient_healthy(sentence) -> None:
    assert not {"healthy", "clear", "normal"} & set(sentence.lower().replace(".", "").replace(",", "").split())


@pytest.mark.parametrize(
    "content",
    [
        b"no archive",
        pytest.param("missing", id="a missing array"),
        pytest.param("shape", id="arrays that do not fit one another"),
        pytest.param("size", id="another embedding size"),
        pytest.param("thumbnail", id="another thumbnail"),
        pytest.param("pickle", id="a pickled array"),
    ],
)
def test_statistics_that_do_not_fit_the_manifest_are_refused(tmp_path, content) -> None:
    directory = write_tiny_bundle(tmp_path)
    if isinstance(content, str):
        good = dict(np.load(directory / STATISTICS))
        arrays = {
            "missing": {"center": good["center"]},
            "shape": good | {"center": np.zeros(4)},
            "size": good | {"center": np.zeros(4), "projection": np.ones((4, 1))},
            "thumbnail": good
            | {
                "thumbnail_center": np.zeros(9),
                "thumbnail_projection": np.eye(9, 1),
                "thumbnail_class_means": np.zeros((2, 1)),
                "scales": np.ones((2, 2)),
            },
            "pickle": good | {"center": np.array([{}], object)},
        }[content]
        np.savez(directory / "other.npz", **arrays)
        content = (directory / "other.npz").read_bytes()
    replace_file(directory, STATISTICS, content)

    with pytest.raises(BundleError, match="export the bundle again"):
        load_statistics(open_bundle(directory))
