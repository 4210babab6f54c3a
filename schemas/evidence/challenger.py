"""A second bundle that reads the same films: its answers, its comparison with the bundle that serves, its promotion."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.api import ModelReference, Prediction
from schemas.estimate import Estimate
from schemas.model.calibration import Fraction
from schemas.model.evaluation import Comparison
from schemas.record import Record

GroupAttribute = Literal["view", "age", "sex", "station", "device"]
PromotionState = Literal["waiting", "met", "missed"]
"""waiting: too few verdicts; met: every lower limit is above the margin; missed: one is not."""

DECISIONS: tuple[Literal["positive", "negative", "abstain"], ...] = ("positive", "negative", "abstain")
"""Rows and columns of `Agreement.counts`."""


class ChallengerAnswer(Record):
    """What the challenger answers about a film; it is never delivered, and decides nothing."""

    model: ModelReference
    read_at: datetime
    prediction: Prediction


class Agreement(Record):
    """How often two bundles decide alike, whatever is true of the films."""

    films: int = Field(ge=1)
    counts: tuple[tuple[int, int, int], ...] = Field(
        description="films by the decision of the bundle that serves (rows) and of the challenger (columns): positive, "
        "negative, abstain"
    )
    share: Estimate = Field(description="of films with the same decision")
    kappa: Estimate | None = Field(description="Cohen's; null: both bundles decide all films alike, in one way")


class GroupAgreement(Record):
    """Agreement on the films of one group."""

    attribute: GroupAttribute
    group: str = Field(description="empty: the files do not state it")
    agreement: Agreement


class PairedShare(Record):
    """A sensitivity or specificity of both bundles on the same films; an abstention is not right."""

    films: int = Field(
        ge=1, description="with a verdict: sensitivity those with, specificity those without the finding"
    )
    both: int = Field(description="films that both bundles answer rightly")
    challenger_only: int = Field(description="films that the challenger alone answers rightly")
    active_only: int = Field(description="films that the bundle that serves alone answers rightly")
    challenger: Estimate
    active: Estimate
    difference: Estimate = Field(description="challenger minus active, paired (Newcombe, method 10)")
    p_value: Fraction = Field(description="exact McNemar, two-sided; not corrected for further comparisons")


class PairedArea(Record):
    """The area under the ROC curve of both bundles on the same films."""

    challenger: Estimate
    active: Estimate
    comparison: Comparison = Field(description="challenger minus active, paired DeLong; the films of a study together")


class FindingComparison(Record):
    """Both bundles against the truth, for one finding that both look for."""

    finding: str
    with_finding: int = Field(description="films with a verdict that have it")
    without_finding: int
    sensitivity: PairedShare | None = Field(description="null: no film with the finding")
    specificity: PairedShare | None = Field(description="null: no film without it")
    auroc: PairedArea | None = Field(description="null: films of one side alone")


class PromotionRule(Record):
    """The rule, fixed before the films: it looks at the first films with a verdict, once there are enough."""

    films: int = Field(description="of each side, with and without the finding (CXR_PROMOTION_FILMS)")
    margin: float = Field(description="by how much a figure may be lower, at most (CXR_PROMOTION_MARGIN)")


class PromotionStanding(Record):
    """What the rule says now. Once it is met or missed, later films change nothing."""

    rule: PromotionRule
    state: PromotionState
    reasons: tuple[str, ...] = Field(description="a sentence for each figure that is missing or below the margin")
    findings: tuple[FindingComparison, ...] = Field(description="on the films that the rule looks at")


class ChallengerReport(Record):
    """The answer of `GET /models/challenger`, and what `python -m service compare` prints."""

    challenger: str = Field(description="NAME/VERSION")
    challenger_sha256: str
    active: tuple[str, ...] = Field(description="NAME/VERSION of the bundles that it is compared with")
    fault: str | None = Field(default=None, description="why the challenger reads no film now; null: it does")
    films: int = Field(description="that both read")
    not_read: int = Field(
        description="films since the challenger's first that it did not read: the queue was full, the service ended, "
        "or it failed"
    )
    verdicts: int = Field(description="of the films that both read")
    first_at: datetime | None = Field(description="of the first film that it read; null: there is none")
    last_at: datetime | None
    agreement: Agreement | None = Field(description="null: no film")
    groups: tuple[GroupAgreement, ...] = Field(description="at most 20 of each attribute, the largest")
    findings: tuple[FindingComparison, ...] = Field(description="on every film with a verdict; not for deciding twice")
    promotion: PromotionStanding


class PromotionRequest(Record):
    """The body of `POST /models/challenger/promote`."""

    by: Literal["rule", "hand"] = Field(
        default="rule", description="rule: refused unless the rule is met; hand: a person decides, and says why"
    )
    reason: str | None = Field(
        default=None, min_length=8, max_length=500, description="needed by hand; it stands in the audit log"
    )

    @model_validator(mode="after")
    def _a_hand_gives_its_reason(self) -> Self:
        if self.by == "hand" and self.reason is None:
            msg = "a promotion by hand needs `reason`, of 8 characters or more"
            raise ValueError(msg)
        return self


class PromotionReceipt(Record):
    """The answer to a promotion."""

    model: ModelReference = Field(description="the bundle that serves now")
    by: Literal["rule", "hand"]
    note: str = Field(description="what keeps it serving after a restart")
