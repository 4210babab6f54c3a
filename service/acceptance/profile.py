"""A site profile: made from the site's labelled films, signed, written, and taken away."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biostatistics.calibration import fit_temperature
from biostatistics.intervals import wilson_interval
from biostatistics.risk_control import Cuts, Risks, ScoredFilms, TooFewFilmsError, controlled_cuts
from bundle.files import write_whole
from bundle.signing import signature_of
from schemas.errors import EvidenceError
from schemas.model.manifest import BundleManifest
from schemas.model.precision import Precision
from schemas.site_profile import SiteProfile, require_applicable
from service.acceptance.observed import Observed, films_sha256, scored
from service.models.site_profiles import SignedProfile, profile_path


@dataclass(frozen=True, slots=True)
class SiteRequest:
    """What the site asks for."""

    site: str
    finding: str
    risks: Risks
    made_at: datetime
    labels_sha256: str
    precision: Precision = "fp32"
    """At which the films were read."""


def choose_operating_point(
    manifest: BundleManifest, model_sha256: str, films: Sequence[Observed], request: SiteRequest
) -> SiteProfile:
    """Temperature, threshold and abstention that keep the risks, from films that the bundle read without a profile.

    The temperature changes the order of no two films, so the cuts keep their promise whatever it is.

    Args:
        manifest: of the bundle.
        model_sha256: of its manifest.
        films: labelled, at least one.
        request: whose they are, and the risks.

    Raises:
        EvidenceError: too few films of a kind for the risk, or a bundle that no profile fits.
    """
    own = scored(films)
    cuts = _cuts(manifest, own, request)
    temperature = _temperature(own)
    lower, threshold, upper = (_probability(cut / temperature) for cut in (cuts.lower, cuts.threshold, cuts.upper))
    return SiteProfile(
        site=request.site,
        made_at=request.made_at,
        model=f"{manifest.name}/{manifest.version}",
        model_sha256=model_sha256,
        precision=request.precision,
        finding=request.finding,
        temperature=temperature,
        lower=lower,
        threshold=threshold,
        upper=upper,
        risk=request.risks.missed,
        alarm_risk=request.risks.false_alarms,
        confidence=request.risks.confidence,
        missed=cuts.missed,
        false_alarms=cuts.false_alarms,
        labels_sha256=request.labels_sha256,
        films_sha256=films_sha256(films),
        **_counts(own, cuts),
    )


def _cuts(manifest: BundleManifest, films: ScoredFilms, request: SiteRequest) -> Cuts:
    try:
        require_applicable(manifest, request.finding)
        point = next(each for each in manifest.calibration.operating_points if each.finding == request.finding)
        return controlled_cuts(films, request.risks, _log_odds(point.threshold))
    except TooFewFilmsError as error:
        msg = f"{error}; label more films, or accept a larger risk"
        raise EvidenceError(msg) from error
    except ValueError as error:
        raise EvidenceError(str(error)) from error


def write_profile(folder: Path, profile: SiteProfile, key: Ed25519PrivateKey) -> Path:
    """Sign a profile and write it; one of the same bundle is replaced.

    Raises:
        EvidenceError: it cannot be written.
    """
    content = profile.model_dump_json()
    signed = SignedProfile(profile=content, signature=signature_of(content.encode(), key))
    path = profile_path(folder, profile.model_sha256)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, (signed.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        msg = f"the profile cannot be written to {folder} ({error.strerror}); give a folder that can be written"
        raise EvidenceError(msg) from error
    return path


def revoke_profile(folder: Path, model_sha256: str, at: datetime) -> Path:
    """Take the profile of a bundle out of use; it is kept under another name.

    Raises:
        EvidenceError: there is none, or it cannot be renamed.
    """
    path = profile_path(folder, model_sha256)
    kept = path.with_name(f"{path.stem}.revoked-{at:%Y%m%dT%H%M%SZ}")
    try:
        path.rename(kept)
    except OSError as error:
        msg = (
            f"{folder} holds no profile of the bundle {model_sha256[:12]}… that can be revoked ({error.strerror}); "
            "`python -m service site list` shows those that there are"
        )
        raise EvidenceError(msg) from error
    return kept


def _temperature(films: ScoredFilms) -> float:
    """Of the films that may be answered; those of one kind alone leave the bundle's own."""
    values, truth = films.scores[~films.withheld], films.truth[~films.withheld]
    if len(np.unique(truth)) < 2:  # noqa: PLR2004 with the finding and without
        return 1.0
    return fit_temperature(np.stack([np.zeros(len(values)), values], axis=1), truth.astype(np.int64))


def _counts(films: ScoredFilms, cuts: Cuts) -> dict[str, object]:
    called = films.scores >= cuts.threshold
    answered = ~films.withheld & ((films.scores < cuts.lower) | (films.scores > cuts.upper))
    with_finding = int(films.truth.sum())
    count = len(films.truth)
    return {
        "films": count,
        "with_finding": with_finding,
        "withheld": int(films.withheld.sum()),
        "answered": wilson_interval(int(answered.sum()), count),
        "sensitivity": wilson_interval(int((called & films.truth).sum()), with_finding),
        "specificity": wilson_interval(int((~called & ~films.truth).sum()), count - with_finding),
    }


def _log_odds(probability: float) -> float:
    if not 0 < probability < 1:
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability) - math.log1p(-probability)


def _probability(log_odds: float) -> float:
    """Exact to the last digit also near 0, where most cuts of a sure network lie."""
    odds = math.exp(-abs(log_odds))
    return odds / (1 + odds) if log_odds < 0 else 1 / (1 + odds)
