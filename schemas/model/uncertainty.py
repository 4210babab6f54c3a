"""How far the answers about a film differ, and whether that shows which answers are wrong."""

from typing import Literal

from pydantic import Field

from schemas.estimate import Estimate
from schemas.record import Record


class ErrorDetection(Record):
    """How well the spread of the answers ranks wrongly labelled films above rightly labelled ones."""

    films: int
    errors: int = Field(description="films whose label at the operating points is not the truth")
    spread_auroc: Estimate = Field(description="AUROC of the spread for errors; 0.5: it says nothing")
    improbability_auroc: Estimate = Field(
        description="AUROC of 1 minus the probability of the label, which needs no further answers: what to beat"
    )


class Uncertainty(Record):
    """Where the spread comes from, and what it is worth; the spread of each film stands in validation.csv and test.csv.

    The spread of a film is the standard deviation of its calibrated probability over the answers, of the class in which
    it is largest.
    """

    source: Literal["dropout", "members"] = Field(
        description="dropout: draws of the dropout before the last linear layer; members: the networks of an ensemble"
    )
    answers: int = Field(ge=2, description="about each film")
    validation: ErrorDetection | None = Field(description="null: every label, or none, is wrong")
    test: ErrorDetection | None = None
