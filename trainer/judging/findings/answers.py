"""What is answered about each finding that is judged by itself: called or not, and whether that is claimed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.model.calibration import Calibration, OperatingPoint
from schemas.model.decision import NO_FINDING, presence

Decision = Literal["positive", "negative", "abstain"]


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

    A finding is positive where it is called and its conformal set holds its presence alone, negative where it is not
    called and its set holds its absence alone; otherwise, and on a film that is unlike the training films, nothing is
    claimed.

    Args:
        probabilities: calibrated, by finding.
        calibration: operating points and quantiles.
        in_distribution: None: not checked, which counts as familiar.
    """
    thresholds = {point.finding: point.threshold for point in calibration.operating_points}

    def decision(name: str, probability: float) -> Decision:
        there = presence(name, probability, calibration.conformal)
        if in_distribution is False or there == "unclear" or (probability >= thresholds[name]) != (there == "present"):
            return "abstain"
        return "positive" if there == "present" else "negative"

    return {name: decision(name, probability) for name, probability in probabilities.items()}


def film_decision(decisions: Mapping[str, Decision]) -> Decision:
    """Of the whole film: positive where any finding is, negative where all are, else nothing is claimed."""
    given = set(decisions.values())
    if "positive" in given:
        return "positive"
    return "negative" if given == {"negative"} else "abstain"


def findings_in_words(names: Iterable[str]) -> str:
    """Findings in one cell: `Effusion|Mass`, or `no finding`."""
    return "|".join(names) or NO_FINDING
