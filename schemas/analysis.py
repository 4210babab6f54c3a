"""The record of one analysed DICOM film: enough for every result that is written from it, without the patient."""

from datetime import UTC
from typing import Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from schemas.api import CenterOfMass, ExplainMethod, ImageFacts, ModelReference, Prediction, RouteField
from schemas.delivery import ResultObject
from schemas.model.calibration import Activation, OperatingPoint
from schemas.record import Record


class ExplainedFinding(Record):
    """What the heat map that is sent to the archive explains."""

    finding: str = Field(description="the class whose heat map it is")
    method: ExplainMethod
    center_of_mass: CenterOfMass | None = Field(description="null where the map is zero everywhere")


class ObjectReference(Record):
    """A DICOM object that was written about a film, in the film's study."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


class AnalysisRecord(Record):
    """One film, one bundle, one answer; the film is named by its UIDs alone."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    analysed_at: AwareDatetime = Field(description="when, in UTC; every date of the results comes from here")
    software_version: str = Field(description="of the service that analysed it; the bundle has a version of its own")
    model: ModelReference
    udi: str | None = Field(default=None, description="Unique Device Identifier of the bundle; null: it has none")
    route: RouteField = "only_bundle"
    activation: Activation = Field(
        default="softmax",
        description="sigmoid: each finding is judged by itself; softmax: the classes exclude one another",
    )
    negative_class: str | None = Field(description="the class that means none of the findings; null: there is none")
    operating_points: tuple[OperatingPoint, ...] = Field(description="of every finding, as in the bundle's manifest")
    prediction: Prediction
    image: ImageFacts
    explanation: ExplainedFinding | None = Field(
        description="null: nothing could draw a heat map of the bundle, or none is sent for this decision"
    )
    delivery: tuple[ResultObject, ...] = Field(
        default=("report", "picture", "outline"), description="the objects that an archive gets; docs/pacs.md"
    )
    objects: tuple[ObjectReference, ...] = Field(
        default=(), description="the objects that were written; an archive has them once the film is delivered"
    )

    @field_validator("analysed_at")
    @classmethod
    def _in_utc(cls, value: AwareDatetime) -> AwareDatetime:
        return value.astimezone(UTC)

    @model_validator(mode="after")
    def _every_finding_has_its_operating_point(self) -> Self:
        findings = set(self.prediction.probabilities) - {self.negative_class}
        if findings != {point.finding for point in self.operating_points}:
            msg = f"operating points are of {', '.join(sorted(findings))}: one for each finding"
            raise ValueError(msg)
        return self
