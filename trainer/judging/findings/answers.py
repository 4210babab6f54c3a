"""What is answered about each finding that is judged by itself: called or not, and whether that is claimed."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.model.calibration import Calibration, Decision, OperatingPoint
from schemas.model.decision import NO_FINDING, finding_decision


def called_findings(
    probabilities: NDArray[np.float64] | NDArray[np.float32], findings: Sequence[str], points: Iterable[OperatingPoint]
) -> NDArray[np.bool_]:
    """Which findings reach their thresholds, [N, K].

    Args:
        probabilities: [N, K], calibrated.
        findings: K names.
        points: one for each, in any order.
    """
    thresholds = {point.finding: point.threshold for point in points}
    called: NDArray[np.bool_] = probabilities >= np.array([thresholds[name] for name in findings])
    return called


def finding_decisions(
    probabilities: Mapping[str, float], calibration: Calibration, *, in_distribution: bool | None
) -> dict[str, Decision]:
    """What is claimed of each finding of one film.

    By `schemas.model.decision.finding_decision`; of a film that is unlike the training films nothing is claimed.

    Args:
        probabilities: calibrated, by finding.
        calibration: operating points and quantiles.
        in_distribution: None: not checked, which counts as familiar.
    """
    points = {point.finding: point for point in calibration.operating_points}
    return {
        name: "abstain"
        if in_distribution is False
        else finding_decision(points[name], probability, calibration.conformal)
        for name, probability in probabilities.items()
    }


def findings_in_words(names: Iterable[str]) -> str:
    """Findings in one cell: `Effusion|Mass`, or `no finding`."""
    return "|".join(names) or NO_FINDING
