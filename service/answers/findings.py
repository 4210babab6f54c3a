"""What the calibrated probabilities of one film mean for each finding, and for the film as a whole."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.api import AbstentionReason, ConfidenceBand, FindingAnswer
from schemas.model.calibration import Decision, OperatingPoint
from schemas.model.decision import answer, conformal_set, film_decision, finding_decision, finding_label
from schemas.model.manifest import BundleManifest

BANDS: Final[tuple[tuple[float, ConfidenceBand], ...]] = ((0.9, "high"), (0.7, "medium"), (0.0, "low"))
"""Lowest calibrated probability of what is claimed for each band; an abstention is always low."""

Probabilities = Mapping[str, float]
"""Calibrated, by class, in the order of the classes."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer about a film and about each of its findings."""

    label: str
    decision: Decision
    reasons: tuple[AbstentionReason, ...]
    """Why the decision is an abstention, that which explains most first; else none."""
    prediction_set: tuple[str, ...]
    band: ConfidenceBand
    findings: tuple[FindingAnswer, ...]


def judge_exclusive(
    manifest: BundleManifest,
    probabilities: Probabilities,
    against: tuple[AbstentionReason, ...],
    *,
    in_distribution: bool | None,
) -> Judgement:
    """Judge a film whose classes exclude one another.

    Args:
        manifest: of the bundle.
        probabilities: they sum to 1.
        against: what speaks against any answer about the film.
        in_distribution: None: not checked.
    """
    calibration = manifest.calibration
    values = list(probabilities.values())
    label = finding_label(values, manifest.classes, manifest.negative_class, calibration.operating_points)
    prediction_set = conformal_set(probabilities, calibration.conformal.quantiles)
    answered = answer(label, prediction_set, in_distribution=in_distribution)
    reasons = against if answered == "given" else (*against, answered)
    decision: Decision = "abstain" if reasons else "negative" if label == manifest.negative_class else "positive"
    band = "low" if reasons else band_of(probabilities[label])
    findings = tuple(
        FindingAnswer(
            name=point.finding,
            probability=probabilities[point.finding],
            decision=exclusive_decision(decision, label, point, probabilities[point.finding]),
            confidence_band=band,
            operating_point=point,
        )
        for point in _points(manifest)
    )
    return Judgement(label, decision, reasons, prediction_set, band, findings)


def judge_alone(
    manifest: BundleManifest,
    probabilities: Probabilities,
    against: tuple[AbstentionReason, ...],
    *,
    in_distribution: bool | None,
) -> Judgement:
    """Judge a film whose findings are judged by themselves; see `judge_exclusive`.

    The film is positive where one finding is, and negative where all are; what speaks against the film speaks against
    each finding, but one that is unclear leaves the others their answers.
    """
    calibration = manifest.calibration
    values = list(probabilities.values())
    label = finding_label(values, manifest.classes, None, calibration.operating_points, alone=True)
    unfit: tuple[AbstentionReason, ...] = (*against, *(("unfamiliar",) if in_distribution is False else ()))
    findings = tuple(_alone(manifest, point, probabilities[point.finding]) for point in _points(manifest))
    decision = film_decision([finding.decision for finding in findings])
    unclear = decision == "abstain" and in_distribution is not False
    reasons: tuple[AbstentionReason, ...] = (*unfit, *(("unclear",) if unclear else ()))
    if unfit:
        nothing = {"decision": "abstain", "confidence_band": "low"}
        findings = tuple(finding.model_copy(update=nothing) for finding in findings)
        decision = "abstain"
    prediction_set = conformal_set(probabilities, calibration.conformal.quantiles)
    return Judgement(label, decision, reasons, prediction_set, _band_of_all(decision, findings), findings)


def exclusive_decision(film: Decision, label: str, point: OperatingPoint, probability: float) -> Decision:
    """What the one decision about a film means for one finding, where the classes exclude one another.

    An abstention leaves every finding open; so does another finding's label about a finding whose own threshold is
    reached.

    Args:
        film: the decision about the film.
        label: of the film.
        point: of the finding.
        probability: of the finding.
    """
    if film == "abstain":
        return "abstain"
    if label == point.finding:
        return "positive"
    return "abstain" if probability >= point.threshold else "negative"


def most_called(points: Collection[OperatingPoint], probabilities: Probabilities) -> OperatingPoint:
    """The operating point that is exceeded by the most, or missed by the least."""

    def ratio(point: OperatingPoint) -> float:
        return probabilities[point.finding] / point.threshold if point.threshold > 0 else math.inf

    return max(points, key=ratio)


def band_of(probability: float) -> ConfidenceBand:
    """The band of a claim that has this probability."""
    return next(band for lowest, band in BANDS if probability >= lowest)


def _alone(manifest: BundleManifest, point: OperatingPoint, probability: float) -> FindingAnswer:
    decision = finding_decision(point, probability, manifest.calibration.conformal)
    likely = probability if decision == "positive" else 1 - probability
    band: ConfidenceBand = "low" if decision == "abstain" else band_of(likely)
    return FindingAnswer(
        name=point.finding, probability=probability, decision=decision, confidence_band=band, operating_point=point
    )


def _band_of_all(decision: Decision, findings: Collection[FindingAnswer]) -> ConfidenceBand:
    """Of a positive film that of the finding which is called most; of a negative one that of its least sure finding."""
    if decision == "abstain":
        return "low"
    probabilities = {finding.name: finding.probability for finding in findings}
    if decision == "negative":
        return band_of(1 - max(probabilities.values()))
    positive = [finding.operating_point for finding in findings if finding.decision == "positive"]
    return band_of(probabilities[most_called(positive, probabilities).finding])


def _points(manifest: BundleManifest) -> tuple[OperatingPoint, ...]:
    """In the order of the classes."""
    points = {point.finding: point for point in manifest.calibration.operating_points}
    return tuple(points[name] for name in manifest.findings)
