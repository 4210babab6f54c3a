"""What is claimed of a finding: only what its threshold and its conformal set say together, of a familiar film."""

import numpy as np
import pytest

from biostatistics.intervals import wilson_interval
from schemas.model.calibration import Calibration, ConformalQuantiles, LogitScaling, OperatingPoint
from schemas.model.decision import film_decision
from trainer.judging.findings.answers import called_findings, finding_decisions, findings_in_words

ANY = wilson_interval(9, 10)


def calibration(threshold: float = 0.5, *, present: float = 0.4, absent: float = 0.3) -> Calibration:
    return Calibration(
        temperature=1,
        scaling={"Mass": LogitScaling(slope=1, offset=0)},
        operating_points=(
            OperatingPoint(
                finding="Mass", threshold=threshold, target_sensitivity=0.9, sensitivity=ANY, specificity=ANY, data="v"
            ),
        ),
        conformal=ConformalQuantiles(alpha=0.1, quantiles={"Mass": present}, absent={"Mass": absent}),
        out_of_distribution=None,
        data="v",
    )


@pytest.mark.parametrize(
    ("probability", "decision"), [(0.9, "positive"), (0.6, "positive"), (0.45, "abstain"), (0.3, "negative")]
)
def test_a_finding_is_claimed_where_threshold_and_set_agree(probability, decision) -> None:
    assert finding_decisions({"Mass": probability}, calibration(), in_distribution=True) == {"Mass": decision}


def test_a_call_that_the_set_contradicts_is_not_claimed() -> None:
    given = finding_decisions({"Mass": 0.25}, calibration(0.2), in_distribution=None)

    assert given == {"Mass": "abstain"}


def test_nothing_is_claimed_of_a_film_unlike_the_training_films() -> None:
    assert finding_decisions({"Mass": 0.9}, calibration(), in_distribution=False) == {"Mass": "abstain"}


def test_a_set_that_holds_both_or_neither_is_no_claim() -> None:
    both = calibration(present=0.9, absent=0.9)

    assert finding_decisions({"Mass": 0.6}, both, in_distribution=True) == {"Mass": "abstain"}


@pytest.mark.parametrize(
    ("decisions", "film"),
    [
        (("positive", "abstain"), "positive"),
        (("negative", "negative"), "negative"),
        (("negative", "abstain"), "abstain"),
    ],
)
def test_a_film_is_positive_by_one_finding_and_negative_by_all(decisions, film) -> None:
    assert film_decision(decisions) == film


def test_findings_are_called_from_their_thresholds_on() -> None:
    called = called_findings(np.array([[0.5], [0.4999]]), ("Mass",), calibration().operating_points)

    assert called.tolist() == [[True], [False]]
    assert findings_in_words(["Effusion", "Mass"]) == "Effusion|Mass"
    assert findings_in_words([]) == "no finding"
