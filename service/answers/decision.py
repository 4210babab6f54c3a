"""From the network's outputs to the answer about a film: label, decision, and how certain it is."""

from collections.abc import Collection
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from imaging.thumbnail import LENGTH
from schemas.api import AbstentionReason, ConfidenceBand, Prediction
from schemas.errors import BundleError, InferenceError
from schemas.model.calibration import OperatingPoint
from schemas.model.decision import Answer, answer, conformal_set, finding_label
from schemas.model.familiarity import THUMBNAIL, Familiarity, unfamiliarity
from schemas.model.manifest import STATISTICS, BundleManifest
from service.engine.engine import Outputs

BANDS: Final[tuple[tuple[float, ConfidenceBand], ...]] = ((0.9, "high"), (0.7, "medium"), (0.0, "low"))
"""Lowest calibrated probability of the label for each band; an abstention is always low."""

Advice = Literal["positive", "negative"] | AbstentionReason

RECOMMENDATIONS: Final[dict[Advice, str]] = {
    "positive": "{label} reached its operating point. A radiologist has to confirm or refute it on the film.",
    "negative": "{findings}: operating point not reached. This excludes neither disease nor findings that were not "
    "looked for; the film still has to be read.",
    "unclear": "No answer: the classes cannot be told apart with the certainty that validation demands. "
    "Have the film read by a radiologist.",
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
    if sizes != (len(manifest.classes), manifest.graph.embedding_size) or (frames and len(frames.center) != LENGTH):
        msg = f"{STATISTICS} does not fit the manifest's embedding and classes; export the bundle again"
        raise BundleError(msg)
    return familiarity


def decide(
    manifest: BundleManifest,
    statistics: Familiarity | None,
    outputs: Outputs,
    thumbnail: NDArray[np.float64],
    warnings: Collection[str] = (),
) -> Prediction:
    """Turn the outputs of the network for one film into an answer.

    Args:
        manifest: classes, thresholds, quantiles and cut-offs.
        statistics: None: not checked against the training films.
        outputs: of one film, N = 1.
        thumbnail: of the same film, from `imaging.thumbnail`.
        warnings: about the same film; `not_frontal` and `low_contrast` leave no answer.

    Raises:
        InferenceError: a probability is not a number.
    """
    row = _finite(outputs.probabilities[0])
    calibration = manifest.calibration
    probabilities = {name: min(1.0, float(value)) for name, value in zip(manifest.classes, row, strict=True)}
    label = finding_label(row, manifest.classes, manifest.negative_class, calibration.operating_points)
    prediction_set = conformal_set(probabilities, calibration.conformal.quantiles)
    score, in_distribution = _familiarity(manifest, statistics, outputs, thumbnail)
    reasons = _abstention_reasons(answer(label, prediction_set, in_distribution=in_distribution), warnings)
    advice: Advice = reasons[0] if reasons else "negative" if label == manifest.negative_class else "positive"
    return Prediction(
        label=label,
        probabilities=probabilities,
        decision=advice if advice in ("positive", "negative") else "abstain",
        abstention_reasons=reasons,
        prediction_set=prediction_set,
        operating_point=_operating_point(manifest, label, probabilities),
        calibrated=calibration.temperature != 1,
        confidence_band="low" if reasons else _band(probabilities[label]),
        in_distribution=in_distribution,
        out_of_distribution_score=score,
        recommendation=RECOMMENDATIONS[advice].format(label=label, findings=", ".join(manifest.findings)),
    )


def _finite(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
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
    cutoffs = np.array([distribution.cutoffs[name] for name in manifest.classes])
    score = float(unfamiliarity(statistics.scores(outputs.embedding, thumbnail[np.newaxis]), cutoffs)[0])
    return score, score <= 1


def _abstention_reasons(answered: Answer, warnings: Collection[str]) -> tuple[AbstentionReason, ...]:
    """Why nothing is claimed of the film, the reason that explains most first; none where an answer is given."""
    unfit: tuple[AbstentionReason, ...] = ("not_frontal", "low_contrast")
    return (*(reason for reason in unfit if reason in warnings), *(() if answered == "given" else (answered,)))


def _band(probability: float) -> ConfidenceBand:
    return next(band for lowest, band in BANDS if probability >= lowest)


def _operating_point(manifest: BundleManifest, label: str, probabilities: dict[str, float]) -> OperatingPoint:
    """That of the label; for the negative class that of the finding that came closest to being called."""
    finding = label if label in manifest.findings else max(manifest.findings, key=lambda name: probabilities[name])
    return next(point for point in manifest.calibration.operating_points if point.finding == finding)
