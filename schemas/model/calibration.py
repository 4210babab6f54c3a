"""Parameters that validation films decide: temperature, thresholds, conformal quantiles, cut-offs."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.estimate import Estimate
from schemas.record import Record, Sha256

Activation = Literal["softmax", "sigmoid"]
"""softmax: the classes exclude one another; sigmoid: each is a finding that is judged by itself."""

Decision = Literal["positive", "negative", "abstain"]
"""What is claimed of a finding, or of a film; by the rules of `schemas.model.decision`."""

Fraction = Annotated[float, Field(ge=0, le=1)]


class SiteGuarantee(Record):
    """What a site's own films promise of an operating point; from its signed profile."""

    site: str = Field(description="as the operator names it")
    risk: Fraction = Field(description="largest share of films with the finding that are answered negative")
    confidence: Fraction = Field(description="over the draw of the films that chose the operating point")
    films: int = Field(ge=1, description="that chose it")
    with_finding: int = Field(ge=1, description="of these")
    sha256: Sha256 = Field(description="of the signed profile")


class OperatingPoint(Record):
    """The threshold from which a finding is called present, with its sensitivity and specificity."""

    finding: str
    threshold: Fraction = Field(description="calibrated probability from which the finding is called present")
    target_sensitivity: Fraction
    sensitivity: Estimate
    specificity: Estimate
    data: str = Field(description="the films on which sensitivity and specificity were measured")
    site: SiteGuarantee | None = Field(
        default=None, description="where the site chose it on films of its own; null: the bundle's own operating point"
    )


class ConformalQuantiles(Record):
    """Class-conditional split conformal prediction: class k is in the set when 1 - p_k <= quantile_k.

    Where each finding is judged by itself there are two for each: the finding is in its set when 1 - p <= its entry of
    `quantiles`, its absence when p <= its entry of `absent`.

    Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005), ch. 4.5 (Mondrian).
    """

    alpha: Fraction = Field(description="accepted share of films of a class whose set misses their class")
    quantiles: dict[str, Fraction]
    absent: dict[str, Fraction] | None = Field(default=None, description="null: the classes exclude one another")


class LogitScaling(Record):
    """Calibrated probability of a finding that is judged by itself: sigmoid(slope * logit + offset).

    Source: Platt, Advances in Large Margin Classifiers (1999) 61-74.
    """

    slope: float = Field(gt=0)
    offset: float


class OutOfDistribution(Record):
    """When a film is too far from the training films.

    Two descriptions of a film are looked at: the network's embedding and a thumbnail, behind a guide that of the lungs'
    box. In each, the whitened distance to class k, |(x - center) @ projection - class_means[k]| / sqrt(R), and what the
    components leave over of x - center.
    A film's score as seen from class k is the largest of these distances divided by `scales[k]`; the film is familiar
    when for some class the score is at most the cut-off.

    The arrays are in the bundle's `statistics.npz`: `center` [D], `projection` [D, R] (whitening), `class_means`
    [K, R], `components` [D, R]; the same with the prefix `thumbnail_`; `scales` [K, P], where P is the number of
    distances. A space whose components leave nothing over has no `components` and one distance; there is no space of
    the thumbnails where all of them are alike.

    Source: Lee et al., NeurIPS 2018, arXiv:1807.03888; Wang et al., CVPR 2022, arXiv:2203.10807.
    """

    cutoffs: dict[str, float] = Field(description="largest accepted score of a film as seen from this class")
    accepted_share: Fraction = Field(description="share of the validation films of each class within its cut-off")


class Calibration(Record):
    """Everything that turns logits into a decision; all of it from validation films."""

    temperature: float = Field(
        gt=0, description="probabilities = softmax(logits / temperature); 1 where `scaling` calibrates"
    )
    scaling: dict[str, LogitScaling] | None = Field(
        default=None,
        description="of each finding where each is judged by itself; null: the classes exclude one another",
    )
    operating_points: tuple[OperatingPoint, ...] = Field(min_length=1, description="one for each finding")
    conformal: ConformalQuantiles
    out_of_distribution: OutOfDistribution | None
    data: str = Field(description="the films that decided, e.g. 'validation: 1,040 films of 560 patients'")
