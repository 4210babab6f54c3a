"""From logits to probabilities and from probabilities to a label, by rules that trainer and service share."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schemas.model.calibration import Calibration, ConformalQuantiles, Decision, OperatingPoint

NO_FINDING = "no finding"
"""The label of a film on which none of several findings is called, where each is judged by itself."""

Presence = Literal["present", "absent", "unclear"]
"""What the two conformal quantiles of a finding that is judged by itself leave of it."""

Answer = Literal["given", "unclear", "unfamiliar"]
"""Whether a label is claimed of a film; if not, the classes are too close, or the training had no film like it."""


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities of `logits / temperature`, computed in double precision.

    Args:
        logits: [..., K].
        temperature: > 0; above 1 it flattens.

    Returns:
        float64 [..., K] in [0, 1]; the last axis sums to 1.

    Raises:
        ValueError: `temperature` is not above 0.
    """
    if not temperature > 0:
        msg = f"the temperature divides the logits and must be above 0, not {temperature}"
        raise ValueError(msg)
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    odds = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = odds / odds.sum(axis=-1, keepdims=True)
    return probabilities


def calibrated(logits: ArrayLike, calibration: Calibration, classes: Sequence[str]) -> NDArray[np.float64]:
    """Calibrated probabilities: of classes that exclude one another, or of findings that are judged by themselves.

    Args:
        logits: [..., K].
        calibration: its `scaling` tells the two apart.
        classes: K names in the order of the logits.

    Returns:
        float64 [..., K] in [0, 1].
    """
    if calibration.scaling is None:
        return softmax(logits, calibration.temperature)
    slopes, offsets = (
        np.array([getattr(calibration.scaling[name], part) for name in classes]) for part in ("slope", "offset")
    )
    scaled = np.asarray(logits, dtype=np.float64) * slopes + offsets
    sigmoid: NDArray[np.float64] = (1 + np.tanh(scaled / 2)) / 2  # of large values, too, without an overflow
    return sigmoid


def finding_label(
    probabilities: ArrayLike,
    classes: Sequence[str],
    negative_class: str | None,
    operating_points: Iterable[OperatingPoint],
    *,
    alone: bool = False,
) -> str:
    """The label of one film.

    The finding whose probability reaches its threshold, that with the largest ratio of the two where several do, else
    the negative class; without one, the most probable class. Of equals the earlier class wins.

    Args:
        probabilities: [K], calibrated, in the order of `classes`.
        classes: K names in the order of the logits.
        negative_class: the class that means none of the findings.
        operating_points: one for each finding, in any order.
        alone: each class is a finding that is judged by itself; where none is called the label is `NO_FINDING`.

    Raises:
        ValueError: the number of probabilities is not K.
    """
    row = np.asarray(probabilities, dtype=np.float64)
    if row.shape != (len(classes),):
        msg = f"a film has one probability for each of {len(classes)} classes, not shape {row.shape}"
        raise ValueError(msg)
    if negative_class is None and not alone:
        return classes[int(row.argmax())]
    thresholds = {point.finding: point.threshold for point in operating_points}
    label, best = NO_FINDING if negative_class is None else negative_class, 0.0
    for name, probability in zip(classes, row.tolist(), strict=True):
        if name == negative_class or probability < thresholds[name]:
            continue
        # A threshold of 0 is always reached: its ratio has no bound.
        ratio = probability / thresholds[name] if thresholds[name] > 0 else np.inf
        label, best = (name, ratio) if ratio > best else (label, best)
    return label


def conformal_set(probabilities: Mapping[str, float], quantiles: Mapping[str, float]) -> tuple[str, ...]:
    """The classes that `schemas.model.calibration.ConformalQuantiles` cannot exclude, in the given order."""
    return tuple(name for name, probability in probabilities.items() if 1 - probability <= quantiles[name])


def presence(name: str, probability: float, conformal: ConformalQuantiles) -> Presence:
    """Whether a finding that is judged by itself is there; unclear where its set holds both, or neither.

    Args:
        name: of the finding.
        probability: calibrated.
        conformal: with `absent`.

    Raises:
        ValueError: the quantiles are of classes that exclude one another.
    """
    if conformal.absent is None:
        msg = f"there is no quantile of the absence of {name}: the classes exclude one another"
        raise ValueError(msg)
    present, absent = 1 - probability <= conformal.quantiles[name], probability <= conformal.absent[name]
    if present == absent:
        return "unclear"
    return "present" if present else "absent"


def finding_decision(point: OperatingPoint, probability: float, conformal: ConformalQuantiles) -> Decision:
    """What is claimed of a finding that is judged by itself.

    Positive where it is called and its set holds its presence alone, negative where it is not called and its set holds
    its absence alone; else nothing.

    Args:
        point: of the finding.
        probability: calibrated.
        conformal: see `presence`.
    """
    called = probability >= point.threshold
    found = presence(point.finding, probability, conformal)
    if found == "unclear" or called != (found == "present"):
        return "abstain"
    return "positive" if called else "negative"


def film_decision(decisions: Collection[Decision]) -> Decision:
    """What is claimed of a film by the decisions of its findings: positive where one is, negative where all are."""
    if "positive" in decisions:
        return "positive"
    return "negative" if set(decisions) == {"negative"} else "abstain"


def answer(label: str, prediction_set: Collection[str], *, in_distribution: bool | None) -> Answer:
    """Whether the label is claimed; a film that was not checked against the training films counts as familiar."""
    if in_distribution is False:
        return "unfamiliar"
    # One class alone, but not the label: threshold and quantiles contradict each other, so nothing is claimed.
    return "given" if tuple(prediction_set) == (label,) else "unclear"
