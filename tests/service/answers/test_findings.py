"""Findings that are judged by themselves, and what one decision about a film says of each where classes exclude one
another."""

import numpy as np
import pytest

from bundle.opening import open_bundle
from schemas.errors import BundleError
from schemas.model.calibration import Decision
from schemas.model.decision import NO_FINDING
from schemas.model.manifest import STATISTICS
from service.answers.decision import decide as decide_about
from service.answers.decision import load_statistics
from service.answers.findings import exclusive_decision
from service.answers.guide import Look
from service.engine.engine import Outputs
from tests.service.bundles import FINDINGS, change_manifest, replace_file, write_tiny_bundle

THUMBNAIL = np.zeros(256)
POSITIVE: Decision = "positive"
NEGATIVE: Decision = "negative"
ABSTAIN: Decision = "abstain"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Thresholds .3, .5 and .2; a finding is present from .6, and absent up to .4."""
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("models"), alone=True))


def outputs(*probabilities, brightness=0.45):
    row = np.array([probabilities], np.float32)
    return Outputs(np.zeros_like(row), row, np.array([[brightness, 0, 0]], np.float32))


def decide(bundle, *probabilities, look=Look(), brightness=0.45):  # noqa: B008 frozen
    found = outputs(*probabilities, brightness=brightness)
    return decide_about(bundle.manifest, load_statistics(bundle), found, THUMBNAIL, look)


def decisions(prediction):
    return [finding.decision for finding in prediction.findings]


@pytest.mark.parametrize(
    ("probabilities", "label", "film", "findings"),
    [
        ((0.9, 0.1, 0.1), "Effusion", POSITIVE, [POSITIVE, NEGATIVE, NEGATIVE]),
        ((0.9, 0.8, 0.1), "Effusion", POSITIVE, [POSITIVE, POSITIVE, NEGATIVE]),
        ((0.7, 0.1, 0.7), "Pneumothorax", POSITIVE, [POSITIVE, NEGATIVE, POSITIVE]),
        ((0.1, 0.1, 0.1), NO_FINDING, NEGATIVE, [NEGATIVE, NEGATIVE, NEGATIVE]),
        # called from .3 and .2, but not present: neither claimed nor denied
        ((0.5, 0.1, 0.1), "Effusion", ABSTAIN, [ABSTAIN, NEGATIVE, NEGATIVE]),
        ((0.35, 0.1, 0.1), "Effusion", ABSTAIN, [ABSTAIN, NEGATIVE, NEGATIVE]),
        ((0.1, 0.45, 0.1), NO_FINDING, ABSTAIN, [NEGATIVE, ABSTAIN, NEGATIVE]),
        # called more than the finding that is present, and not present itself
        ((0.7, 0.1, 0.5), "Pneumothorax", POSITIVE, [POSITIVE, NEGATIVE, ABSTAIN]),
    ],
)
def test_a_film_is_positive_where_one_finding_is_and_negative_where_all_are(
    bundle, *, probabilities, label, film, findings
) -> None:
    prediction = decide(bundle, *probabilities)

    assert (prediction.label, prediction.decision) == (label, film)
    assert [finding.name for finding in prediction.findings] == list(FINDINGS)
    assert decisions(prediction) == findings
    assert [finding.probability for finding in prediction.findings] == pytest.approx(probabilities)
    assert prediction.probabilities == pytest.approx(dict(zip(FINDINGS, probabilities, strict=True)))
    assert prediction.abstention_reasons == (("unclear",) if film == ABSTAIN else ())
    assert prediction.calibrated


def test_each_finding_has_its_own_operating_point_and_band(bundle) -> None:
    prediction = decide(bundle, 0.95, 0.25, 0.5)

    assert [finding.operating_point.threshold for finding in prediction.findings] == list(FINDINGS.values())
    assert [finding.operating_point.finding for finding in prediction.findings] == list(FINDINGS)
    assert [finding.confidence_band for finding in prediction.findings] == ["high", "medium", "low"]
    assert prediction.confidence_band == "high"


@pytest.mark.parametrize(
    ("probabilities", "band", "nearest"),
    [
        ((0.05, 0.05, 0.05), "high", "Pneumothorax"),
        ((0.25, 0.05, 0.05), "medium", "Effusion"),
        ((0.05, 0.38, 0.05), "low", "Cardiomegaly"),
        ((0.65, 0.99, 0.1), "low", "Effusion"),  # 2.2 times its threshold, and Cardiomegaly twice
    ],
)
def test_a_film_is_as_sure_as_its_most_called_finding_or_its_least_sure_absence(
    bundle, *, probabilities, band, nearest
) -> None:
    prediction = decide(bundle, *probabilities)

    assert prediction.decision != ABSTAIN
    assert prediction.confidence_band == band
    assert prediction.operating_point.finding == nearest


def test_the_prediction_set_holds_the_findings_that_cannot_be_excluded(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, alone=True)
    calibration = open_bundle(directory).manifest.calibration.model_dump(mode="json")
    calibration["conformal"] |= {"quantiles": dict.fromkeys(FINDINGS, 0.8), "absent": dict.fromkeys(FINDINGS, 0.5)}
    change_manifest(directory, calibration=calibration)
    prediction = decide(open_bundle(directory), 0.9, 0.3, 0.1)  # from .2 a finding is in its set, up to .5 its absence

    assert prediction.prediction_set == ("Effusion", "Cardiomegaly")
    assert decisions(prediction) == [POSITIVE, ABSTAIN, NEGATIVE]


def test_a_finding_that_is_present_by_its_quantiles_and_not_called_is_not_claimed(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, alone=True)
    calibration = open_bundle(directory).manifest.calibration.model_dump(mode="json")
    for point in calibration["operating_points"]:
        point["threshold"] = 0.8
    change_manifest(directory, calibration=calibration)
    prediction = decide(open_bundle(directory), 0.7, 0.1, 0.1)  # present from .6, called from .8

    assert (prediction.label, prediction.decision) == (NO_FINDING, ABSTAIN)
    assert decisions(prediction) == [ABSTAIN, NEGATIVE, NEGATIVE]
    assert prediction.prediction_set == ("Effusion",)


@pytest.mark.parametrize(
    ("look", "brightness", "reason"),
    [
        (Look(warnings=("not_frontal",)), 0.45, "not_frontal"),
        (Look(warnings=("low_contrast",)), 0.45, "low_contrast"),
        (Look(outside=("the film looks like one of an adult.",)), 0.45, "outside_population"),
        (Look(), 1.5, "unfamiliar"),
    ],
)
def test_what_speaks_against_the_film_leaves_no_finding_an_answer(bundle, look, brightness, reason) -> None:
    prediction = decide(bundle, 0.95, 0.1, 0.1, look=look, brightness=brightness)

    assert prediction.abstention_reasons == (reason,)
    assert decisions(prediction) == [ABSTAIN] * 3
    assert (prediction.decision, prediction.confidence_band) == (ABSTAIN, "low")
    assert {finding.confidence_band for finding in prediction.findings} == {"low"}
    assert prediction.label == "Effusion"  # what was computed all the same
    assert prediction.in_distribution is (reason != "unfamiliar")


def test_every_reason_is_named_and_unfamiliar_takes_the_place_of_unclear(bundle) -> None:
    look = Look(warnings=("low_contrast", "not_frontal"), outside=("the film looks like one of an adult.",))

    unclear = decide(bundle, 0.5, 0.1, 0.1, look=look)
    strange = decide(bundle, 0.5, 0.1, 0.1, look=look, brightness=1.5)

    assert unclear.abstention_reasons == ("outside_population", "not_frontal", "low_contrast", "unclear")
    assert strange.abstention_reasons == ("outside_population", "not_frontal", "low_contrast", "unfamiliar")


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [
        ((0.9, 0.1, 0.1), "Effusion reached its operating point."),
        ((0.9, 0.8, 0.1), "Effusion, Cardiomegaly reached their operating points."),
        ((0.9, 0.1, 0.5), "Pneumothorax cannot be told from its absence"),
        ((0.1, 0.1, 0.1), "Effusion, Cardiomegaly, Pneumothorax: operating point not reached."),
        ((0.5, 0.1, 0.5), "No answer: Effusion or Pneumothorax cannot be told from its absence"),
    ],
)
def test_the_recommendation_names_the_findings_that_it_is_about(bundle, probabilities, words) -> None:
    assert words in decide(bundle, *probabilities).recommendation


def test_a_film_with_none_of_the_findings_is_compared_with_the_films_that_had_none(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, alone=True)
    arrays = dict(np.load(directory / STATISTICS))
    arrays["class_means"][:3] = 100  # what is not far from films without a finding is familiar
    np.savez(directory / "other.npz", **arrays)
    replace_file(directory, STATISTICS, (directory / "other.npz").read_bytes())

    assert decide(open_bundle(directory), 0.1, 0.1, 0.1).in_distribution

    arrays["class_means"] = arrays["class_means"][:3]
    np.savez(directory / "other.npz", **arrays, allow_pickle=False)
    replace_file(directory, STATISTICS, (directory / "other.npz").read_bytes())
    with pytest.raises(BundleError, match="do not fit"):
        load_statistics(open_bundle(directory))


@pytest.mark.parametrize(
    ("pneumonia", "film", "finding"), [(0.97, POSITIVE, POSITIVE), (0.02, NEGATIVE, NEGATIVE), (0.5, ABSTAIN, ABSTAIN)]
)
def test_where_classes_exclude_one_another_the_finding_has_the_films_answer(
    tiny_models, pneumonia, film, finding
) -> None:
    bundle = open_bundle(tiny_models / "tiny" / "1.0.0")
    row = np.array([[1 - pneumonia, pneumonia]], np.float32)
    found = Outputs(np.zeros_like(row), row, np.zeros((1, 3), np.float32))
    prediction = decide_about(bundle.manifest, None, found, THUMBNAIL)
    (only,) = prediction.findings

    assert (prediction.decision, only.decision, only.name) == (film, finding, "PNEUMONIA")
    assert only.probability == pytest.approx(pneumonia)
    assert only.operating_point == prediction.operating_point
    assert only.confidence_band == prediction.confidence_band


def test_another_findings_label_leaves_a_called_finding_open(bundle) -> None:
    point = next(point for point in bundle.manifest.calibration.operating_points if point.finding == "Effusion")
    answers = [exclusive_decision(POSITIVE, "Cardiomegaly", point, probability) for probability in (0.29, 0.31)]

    assert answers == [NEGATIVE, ABSTAIN]
    assert exclusive_decision(POSITIVE, "Effusion", point, 0.31) == POSITIVE
    assert exclusive_decision(ABSTAIN, "Effusion", point, 0.99) == ABSTAIN
