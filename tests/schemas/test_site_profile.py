"""Rules of a site profile: what it makes of a manifest is what is decided, and what it does not touch stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bundle.opening import open_bundle
from schemas.model.decision import calibrated
from schemas.model.drift import DriftReference, SignalReference, signal_names
from schemas.site_profile import require_applicable
from service.answers.decision import decide
from service.engine.engine import Outputs
from tests.service.bundles import write_tiny_bundle
from tests.service.site import profile

SHA = "e" * 64
LOGITS = st.tuples(st.floats(-30, 30), st.floats(-30, 30))


@pytest.fixture(scope="module")
def exclusive(tmp_path_factory):
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("exclusive"), statistics=False)).manifest


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("alone"), alone=True, statistics=False)).manifest


def answered(manifest, logits):
    row = np.array([logits], np.float32)
    probabilities = calibrated(row, manifest.calibration, manifest.classes)
    return decide(manifest, None, Outputs(row, probabilities, np.zeros((1, 1), np.float32)), np.zeros(256))


@given(LOGITS, st.floats(0.2, 5))
def test_the_cuts_decide_and_the_temperature_divides_the_log_odds(exclusive, logits, temperature) -> None:
    made = profile(SHA, temperature=temperature, lower=0.1, threshold=0.2, upper=0.8)
    answer = answered(made.applied_to(exclusive, SHA), logits)
    logits = np.float32(logits).astype(float)
    odds = (logits[1] - logits[0]) / exclusive.calibration.temperature / temperature
    probability = 1 / (1 + np.exp(-odds))

    assert answer.probabilities["PNEUMONIA"] == pytest.approx(probability, abs=1e-9)
    if min(abs(probability - cut) for cut in (0.1, 0.2, 0.8)) > 1e-6:
        assert answer.decision == ("negative" if probability < 0.1 else "positive" if probability > 0.8 else "abstain")
        assert answer.label == ("PNEUMONIA" if probability >= 0.2 else "NORMAL")


@given(st.floats(-8, 8))
def test_one_finding_of_several_gets_cuts_and_the_others_stay(alone, logit) -> None:
    name = alone.classes[1]
    made = profile(SHA, finding=name, temperature=2.0, lower=0.1, threshold=0.2, upper=0.8)
    logits = [0.3, logit, -0.2]
    before, after = answered(alone, logits), answered(made.applied_to(alone, SHA), logits)
    scale = alone.calibration.scaling[name]
    probability = 1 / (1 + np.exp(-(scale.slope * np.float32(logit) + scale.offset) / 2))

    assert after.probabilities[name] == pytest.approx(probability, abs=1e-6)
    if min(abs(probability - cut) for cut in (0.1, 0.2, 0.8)) > 1e-5:
        expected = "negative" if probability < 0.1 else "positive" if probability > 0.8 else "abstain"
        assert after.findings[1].decision == expected
    for place in (0, 2):
        assert after.findings[place] == before.findings[place]


def test_the_operating_point_names_the_site_and_its_promise(exclusive) -> None:
    (point,) = profile(SHA).applied_to(exclusive, "f" * 64).calibration.operating_points

    assert (point.site.site, point.site.risk, point.site.confidence) == ("St Example", 0.05, 0.95)
    assert (point.site.sha256, point.site.films, point.site.with_finding) == ("f" * 64, 200, 100)
    assert point.target_sensitivity == 0.95
    assert point.data == "St Example: 200 films, 100 with PNEUMONIA"


def test_the_reference_of_drift_keeps_its_films_and_moves_its_edges(exclusive) -> None:
    signal = "probability:PNEUMONIA"
    reference = SignalReference(edges=(0.01, 0.3, 0.98), counts=(20, 30, 10, 40))
    before = dict.fromkeys(signal_names(["PNEUMONIA"]), reference)
    manifest = exclusive.model_copy(update={"drift_reference": DriftReference(data="validation", signals=before)})
    after = profile(SHA, temperature=2.0).applied_to(manifest, SHA).drift_reference.signals

    odds = [np.log(edge / (1 - edge)) / 2 for edge in before[signal].edges]
    assert after[signal].edges == pytest.approx([1 / (1 + np.exp(-each)) for each in odds])
    assert after[signal].counts == before[signal].counts
    assert {name: after[name] for name in after if name != signal} == {
        name: before[name] for name in before if name != signal
    }


def test_what_a_profile_does_not_fit_is_refused(exclusive) -> None:
    with pytest.raises(ValueError, match="does not look for Effusion; it looks for PNEUMONIA"):
        require_applicable(exclusive, "Effusion")
    with pytest.raises(ValueError, match="tells 3 classes apart"):
        require_applicable(exclusive.model_copy(update={"classes": ("NORMAL", "PNEUMONIA", "OTHER")}), "PNEUMONIA")
    with pytest.raises(ValidationError, match="lies outside of"):
        profile(SHA, lower=0.3)
