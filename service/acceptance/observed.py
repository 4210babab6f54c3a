"""A labelled film with its answer: what every figure of a site's own films is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from biostatistics.risk_control import ScoredFilms
from schemas.acceptance import SubgroupAttribute
from schemas.api import AbstentionReason, Prediction
from schemas.model.calibration import Decision
from schemas.model.decision import calibrated
from schemas.model.manifest import BundleManifest

_UNCLEAR: Final = "unclear"
_TINY: Final = np.finfo(np.float64).tiny


@dataclass(frozen=True, slots=True)
class Observed:
    """One film; who it is of is not known here."""

    sha256: str
    """Of the film's bytes: who has the film can find it, and nobody else can."""
    truth: bool
    """Whether it has the finding."""
    log_odds: float
    """Of the calibrated probability of the finding."""
    probability: float
    decision: Decision
    """About the finding."""
    reasons: tuple[AbstentionReason, ...]
    familiar: bool | None
    """None: not checked."""
    groups: Mapping[SubgroupAttribute, str]
    """By attribute; what is not stated is left out."""

    @property
    def withheld(self) -> bool:
        """Whether it is not answered whatever its probability is."""
        return bool(set(self.reasons) - {_UNCLEAR})


def log_odds(manifest: BundleManifest, logits: NDArray[np.float32], finding: str) -> float:
    """Log odds of the calibrated probability of a finding, also where that is rounded to 0 or 1.

    Args:
        manifest: classes, temperature and scaling.
        logits: [K], of one film.
        finding: one of the findings.
    """
    calibration = manifest.calibration
    place = manifest.classes.index(finding)
    values = np.asarray(logits, np.float64)
    if calibration.scaling is not None:
        scale = calibration.scaling[finding]
        return float(values[place] * scale.slope + scale.offset)
    others = np.delete(values, place) / calibration.temperature
    rest = others.max() + np.log(np.exp(others - others.max()).sum())
    return float(values[place] / calibration.temperature - rest)


def decision_of(prediction: Prediction, finding: str) -> Decision:
    """What the answer claims of one finding."""
    return next(answer.decision for answer in prediction.findings if answer.name == finding)


def observe(
    manifest: BundleManifest, prediction: Prediction, logits: NDArray[np.float32], finding: str
) -> dict[str, object]:
    """The fields of `Observed` that the answer decides; see `log_odds`."""
    row = calibrated(logits, manifest.calibration, manifest.classes)
    return {
        "log_odds": log_odds(manifest, logits, finding),
        "probability": float(row[manifest.classes.index(finding)]),
        "decision": decision_of(prediction, finding),
        "reasons": prediction.abstention_reasons,
        "familiar": prediction.in_distribution,
    }


def scored(films: Sequence[Observed]) -> ScoredFilms:
    """The films as `biostatistics.risk_control` takes them; the score is the log odds."""
    return ScoredFilms(
        np.array([film.truth for film in films], bool),
        np.array([film.log_odds for film in films], np.float64),
        np.array([film.withheld for film in films], bool),
    )


def films_sha256(films: Iterable[Observed]) -> str:
    """Hash over the sorted hashes of films: which ones they were, for those who have them."""
    return sha256("\n".join(sorted(film.sha256 for film in films)).encode()).hexdigest()
