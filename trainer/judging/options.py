"""Section `judge` of a training config: what a calibration has to reach, and what else a network is judged on."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.record import Record, distinct
from trainer.networks.views import PERTURBATIONS

Scale = Annotated[float, Field(ge=0.5, le=2)]


class JudgeOptions(Record):
    """How trained networks are calibrated and evaluated."""

    target_sensitivity: float = Field(
        default=0.96, gt=0, lt=1, description="Sensitivity that each operating point reaches on validation"
    )
    alpha: float = Field(default=0.1, gt=0, lt=1, description="Accepted conformal miscoverage of each class")
    shifts: bool = Field(
        default=False, description="Judge every trial also on films as other sites would have sent them"
    )
    decide_on: Literal["films", "shifts"] = Field(
        default="films",
        description="shifts: temperature and thresholds are chosen on validation films under shifts, too",
    )
    tta: int = Field(
        default=0,
        ge=0,
        le=len(PERTURBATIONS),
        description="Number of moved and turned views of each film in a further evaluation",
    )
    scales: tuple[Scale, ...] = Field(
        default=(1.0,),
        min_length=1,
        description="Sizes at which a further evaluation sees each view; above 1 enlarges",
    )

    lung_masks: str | None = Field(
        default=None,
        description="Folder of lung masks, each with the name of its film, bright where the lungs are: what the "
        "network looks at is measured on the validation films that have one (masks beside images/ count without it)",
    )
    boxes: str | None = Field(
        default=None,
        description="CSV table whose column `path` or `image` names a film and whose columns ending in `boxes` hold "
        "JSON lists of [x, y, w, h] or [finding, x, y, w, h], as shares of the sides: heat maps are held against them",
    )

    _distinct = field_validator("scales")(distinct)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.decide_on == "shifts" and not self.shifts:
            msg = "decide_on=shifts needs the shifted films; set shifts=true too"
            raise ValueError(msg)
        return self
