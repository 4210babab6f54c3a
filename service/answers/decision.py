"""From the network's outputs to the answer about a film: label, decision, and how certain it is."""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from imaging.thumbnail import LENGTH
from schemas.api import AbstentionReason, Prediction
from schemas.errors import BundleError, InferenceError
from schemas.model.calibration import OperatingPoint
from schemas.model.familiarity import THUMBNAIL, Familiarity, unfamiliarity
from schemas.model.manifest import STATISTICS, BundleManifest
from schemas.population import ANYBODY
from service.answers.findings import Judgement, judge_alone, judge_exclusive, most_called
from service.answers.guide import Look
from service.engine.engine import Outputs

Advice = Literal["positive", "positives", "negative", "undecided", "undecided_too"] | AbstentionReason

RECOMMENDATIONS: Final[dict[Advice, str]] = {
    "positive": "{label} reached its operating point. A radiologist has to confirm or refute it on the film.",
    "positives": "{label} reached their operating points. A radiologist has to confirm or refute them on the film.",
    "negative": "{findings}: operating point not reached. This excludes neither disease nor findings that were not "
    "looked for; the film still has to be read.",
    "unclear": "No answer: the classes cannot be told apart with the certainty that validation demands. "
    "Have the film read by a radiologist.",
    "undecided": "No answer: {undecided} cannot be told from its absence with the certainty that validation demands. "
    "Have the film read by a radiologist.",
    "undecided_too": " {undecided} cannot be told from its absence with the certainty that validation demands.",
    "outside_population": "No answer: {outside} Have the film read by a radiologist.",
    "unfamiliar": "No answer: the film differs from those that the network was trained on. "
    "Check that it is a frontal chest film, and have it read by a radiologist.",
    "not_frontal": "No answer: its own file states that this is not a frontal film, and the network was trained on no "
    "others. Have the film read by a radiologist.",
    "low_contrast": "No answer: the film uses a small part of its gray levels, and the network was trained on none "
    "that does. Export it with its window, or with the bits that it uses, or have it read by a radiologist.",
}


_SPACE: Final = ("center", "projection", "class_means")
_ARRAYS: Final = (*_SPACE, "scales")
_OPTIONAL_ARRAYS: Final = ("components", *(THUMBNAIL + name for name in (*_SPACE, "components")))


def load_statistics(bundle: Bundle) -> Familiarity | None:
    """Read the statistics of a bundle; None where its manifest has no out-of-distribution cut-offs.

    Raises:
        BundleError: the arrays are missing or do not fit the manifest.
    """
    manifest = bundle.manifest
    if manifest.calibration.out_of_distribution is None:
        return None
    familiarity = Familiarity.from_arrays(bundle.read_arrays(STATISTICS, _ARRAYS, _OPTIONAL_ARRAYS))
    frames = familiarity.thumbnail
    sizes = (*familiarity.embedding.class_means.shape[:1], *familiarity.embedding.center.shape)
    if sizes != (len(manifest.groups), manifest.graph.embedding_size) or (frames and len(frames.center) != LENGTH):
        msg = f"{STATISTICS} does not fit the manifest's embedding and classes; export the bundle again"
        raise BundleError(msg)
    return familiarity


def decide(
    manifest: BundleManifest,
    statistics: Familiarity | None,
    outputs: Outputs,
    thumbnail: NDArray[np.float64],
    look: Look = Look(),  # noqa: B008 frozen, so one shared default is safe
) -> Prediction:
    """Turn the outputs of the network for one film into an answer.

    Args:
        manifest: classes, thresholds, quantiles and cut-offs.
        statistics: None: not checked against the training films.
        outputs: of one film, N = 1.
        thumbnail: of the same film, from `imaging.thumbnail`.
        look: at the same film as a whole; its warnings `not_frontal` and `low_contrast` leave no answer.

    Raises:
        InferenceError: a probability is not a number.
    """
    row = _finite(outputs.probabilities[0])
    probabilities = {name: min(1.0, float(value)) for name, value in zip(manifest.classes, row, strict=True)}
    score, in_distribution = _familiarity(manifest, statistics, outputs, thumbnail)
    judge = judge_alone if manifest.activation == "sigmoid" else judge_exclusive
    judged = judge(manifest, probabilities, _against(manifest, look), in_distribution=in_distribution)
    return Prediction(
        label=judged.label,
        probabilities=probabilities,
        decision=judged.decision,
        abstention_reasons=judged.reasons,
        prediction_set=judged.prediction_set,
        operating_point=_operating_point(manifest, judged.label, probabilities),
        calibrated=manifest.calibration.scaling is not None or manifest.calibration.temperature != 1,
        confidence_band=judged.band,
        in_distribution=in_distribution,
        out_of_distribution_score=score,
        recommendation=_recommendation(manifest, judged, look),
        findings=judged.findings,
        traits=look.traits,
        population=look.population,
    )


def _finite(probabilities: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(probabilities).all():
        msg = "the network gave probabilities that are not numbers; the bundle or this machine is at fault"
        raise InferenceError(msg)
    return probabilities


def _familiarity(
    manifest: BundleManifest, statistics: Familiarity | None, outputs: Outputs, thumbnail: NDArray[np.float64]
) -> tuple[float | None, bool | None]:
    distribution = manifest.calibration.out_of_distribution
    if statistics is None or distribution is None:
        return None, None
    cutoffs = np.array([distribution.cutoffs[name] for name in manifest.groups])
    score = float(unfamiliarity(statistics.scores(outputs.embedding, thumbnail[np.newaxis]), cutoffs)[0])
    return score, score <= 1


def _against(manifest: BundleManifest, look: Look) -> tuple[AbstentionReason, ...]:
    """What speaks against any answer about the film, the reason that explains most first."""
    frontal_alone = set((manifest.population or ANYBODY).views) == {"frontal"}
    applies: dict[AbstentionReason, bool] = {
        "outside_population": bool(look.outside),
        "not_frontal": frontal_alone and "not_frontal" in look.warnings,
        "low_contrast": "low_contrast" in look.warnings,
    }
    return tuple(reason for reason, does in applies.items() if does)


def _recommendation(manifest: BundleManifest, judged: Judgement, look: Look) -> str:
    names = {
        decision: [finding.name for finding in judged.findings if finding.decision == decision]
        for decision in ("positive", "abstain")
    }
    advice: Advice = "negative"
    if judged.reasons:
        advice = judged.reasons[0]
    elif judged.decision == "positive":
        advice = "positive" if len(names["positive"]) == 1 else "positives"
    alone = manifest.activation == "sigmoid"
    if advice == "unclear" and alone:
        advice = "undecided"
    more: list[Advice] = ["undecided_too"] if alone and judged.decision == "positive" and names["abstain"] else []
    outside = " ".join(sentence[0].upper() + sentence[1:] for sentence in look.outside)
    return "".join(RECOMMENDATIONS[part] for part in (advice, *more)).format(
        label=", ".join(names["positive"]),
        undecided=" or ".join(names["abstain"]),
        findings=", ".join(manifest.findings),
        outside=outside[:1].lower() + outside[1:],
    )


def _operating_point(manifest: BundleManifest, label: str, probabilities: dict[str, float]) -> OperatingPoint:
    """That of the label; else that of the finding that came closest to being called."""
    points = manifest.calibration.operating_points
    if manifest.activation == "sigmoid" and label not in manifest.findings:
        return most_called(points, probabilities)
    finding = label if label in manifest.findings else max(manifest.findings, key=lambda name: probabilities[name])
    return next(point for point in points if point.finding == finding)
