"""A site's own operating point of one bundle: what is stored and signed, and what it makes of the bundle's manifest."""

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, Fraction, OperatingPoint, SiteGuarantee
from schemas.model.drift import DriftReference
from schemas.model.precision import Precision
from schemas.record import Record, Sha256

if TYPE_CHECKING:  # it needs numpy, which a client that reads profiles does without
    from schemas.model.manifest import BundleManifest

SiteName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]


class SiteProfile(Record):
    """Temperature, threshold and abstention that a site's labelled films chose, with what they promise."""

    format: Literal[1] = 1
    site: SiteName
    made_at: datetime
    model: str = Field(description="name and version of the bundle")
    model_sha256: Sha256 = Field(description="of the bundle's manifest: the profile is for no other bundle")
    precision: Precision = Field(description="of the graph that read the films: the promise is for no other")
    finding: str
    temperature: float = Field(gt=0, description="divides the bundle's calibrated log odds of the finding")
    lower: Fraction = Field(description="probability, at this temperature, below which the answer is negative")
    threshold: Fraction = Field(description="probability from which the finding is called present")
    upper: Fraction = Field(description="probability above which the answer is positive; up to it there is none")
    risk: Fraction = Field(description="promised: largest share of films with the finding that are answered negative")
    alarm_risk: Fraction = Field(description="promised: largest share without it that are answered positive")
    confidence: Fraction = Field(description="of each promise, over the draw of the films")
    films: int = Field(ge=1, description="labelled films that chose it")
    with_finding: int = Field(ge=1)
    missed: int = Field(ge=0, description="of these films, with the finding and answered negative")
    false_alarms: int = Field(ge=0, description="of these films, without it and answered positive")
    withheld: int = Field(ge=0, description="of these films, not answered whatever their probability: unfamiliar, …")
    answered: Estimate = Field(description="share of these films that are answered")
    sensitivity: Estimate = Field(description="of the threshold, on these films")
    specificity: Estimate = Field(description="of the threshold, on these films")
    labels_sha256: Sha256 = Field(description="of the bytes of the labels file")
    films_sha256: Sha256 = Field(description="over the sorted SHA-256 of the films")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.lower <= self.threshold <= self.upper:
            msg = f"the threshold {self.threshold} lies outside of {self.lower} to {self.upper}"
            raise ValueError(msg)
        return self

    def applied_to(self, manifest: "BundleManifest", sha256: str) -> "BundleManifest":
        """The manifest as the site answers with it: probabilities, threshold, quantiles and the reference of drift.

        Args:
            manifest: of the bundle whose hash the profile states.
            sha256: of the signed profile.

        Raises:
            ValueError: the bundle does not know the finding, or has more than two classes that exclude one another.
        """
        require_applicable(manifest, self.finding)
        calibration = self._calibration(manifest, sha256)
        reference = manifest.drift_reference
        return manifest.model_copy(
            update={
                "calibration": calibration,
                "drift_reference": None if reference is None else self._reference(reference),
            }
        )

    def _calibration(self, manifest: "BundleManifest", sha256: str) -> Calibration:
        own = manifest.calibration
        points = tuple(
            self._point(sha256) if point.finding == self.finding else point for point in own.operating_points
        )
        conformal = own.conformal
        quantiles = {self.finding: 1 - self.lower}
        if own.scaling is None:
            temperature, scaling = own.temperature * self.temperature, None
            (other,) = set(manifest.classes) - {self.finding}
            absent = None
            quantiles[other] = self.upper
        else:
            scale = own.scaling[self.finding]
            softer = scale.model_copy(
                update={"slope": scale.slope / self.temperature, "offset": scale.offset / self.temperature}
            )
            temperature, scaling = own.temperature, {**own.scaling, self.finding: softer}
            absent = {**(conformal.absent or {}), self.finding: self.upper}
        return own.model_copy(
            update={
                "temperature": temperature,
                "scaling": scaling,
                "operating_points": points,
                "conformal": conformal.model_copy(
                    update={"quantiles": {**conformal.quantiles, **quantiles}, "absent": absent}
                ),
            }
        )

    def _point(self, sha256: str) -> OperatingPoint:
        return OperatingPoint(
            finding=self.finding,
            threshold=self.threshold,
            target_sensitivity=1 - self.risk,
            sensitivity=self.sensitivity,
            specificity=self.specificity,
            data=f"{self.site}: {self.films:,} films, {self.with_finding:,} with {self.finding}",
            site=SiteGuarantee(
                site=self.site,
                risk=self.risk,
                confidence=self.confidence,
                films=self.films,
                with_finding=self.with_finding,
                sha256=sha256,
            ),
        )

    def _reference(self, reference: DriftReference) -> DriftReference:
        """The same bins of the same films at the new temperature, which changes no order."""
        name = f"probability:{self.finding}"
        signal = reference.signals[name]
        edges = tuple(sorted({tempered(edge, self.temperature) for edge in signal.edges}))
        if len(edges) != len(signal.edges):  # bins so near to 0 or 1 that they fall together cannot be told apart
            return reference
        moved = signal.model_copy(update={"edges": edges})
        return reference.model_copy(update={"signals": {**reference.signals, name: moved}})


def tempered(probability: float, temperature: float) -> float:
    """A probability after its log odds are divided by `temperature`; 0 and 1 stay."""
    if probability in {0, 1}:
        return probability
    odds = math.log(probability) - math.log1p(-probability)
    return (1 + math.tanh(odds / temperature / 2)) / 2


def require_applicable(manifest: "BundleManifest", finding: str) -> None:
    """Refuse a bundle for which no operating point of one finding keeps a promise.

    Raises:
        ValueError: the bundle does not know the finding, or has more than two classes that exclude one another.
    """
    if finding not in manifest.findings:
        msg = f"{manifest.name} does not look for {finding}; it looks for {', '.join(manifest.findings)}"
        raise ValueError(msg)
    exclusive = manifest.activation == "softmax"
    if exclusive and (len(manifest.classes) != 2 or manifest.negative_class is None):  # noqa: PLR2004 one and its absence
        msg = (
            f"{manifest.name} tells {len(manifest.classes)} classes apart that exclude one another, and a site profile "
            "is for one finding: it takes a bundle of a finding and its absence, or of findings that are judged by "
            "themselves"
        )
        raise ValueError(msg)
