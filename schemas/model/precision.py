"""The same network with fewer bits: its files, and the measured differences."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from schemas.estimate import Estimate
from schemas.record import Record

Precision = Literal["fp32", "int8", "fp16"]
ReducedPrecision = Literal["int8", "fp16"]

PRECISIONS: Final[tuple[ReducedPrecision, ...]] = ("int8", "fp16")
"""In the order in which they are tried."""


class PrecisionFigures(Record):
    """A reduced graph against the fp32 graph, on the same validation films."""

    films: int
    measured_on: str = Field(description="provider and processor that both graphs ran on")
    auroc_difference: Estimate = Field(description="reduced minus fp32, paired, the films of a patient together")
    label_agreement: Estimate = Field(description="share of the films that get the same label at the operating points")
    in_distribution_agreement: Estimate | None = Field(
        description="share that gets the same out-of-distribution verdict; null where none is given"
    )
    largest_logit_difference: float
    largest_logit: float = Field(description="of fp32, for scale")
    heatmap_correlation: float = Field(description="median over the films, Grad-CAM of fp32's most probable class")
    ms_per_film: float = Field(description="median, one thread, one film")
    ms_per_film_fp32: float = Field(description="median of the runs between those of the reduced graph")
    speedup: Estimate = Field(description="fp32's time over the reduced graph's: median of neighbouring runs")
    size_bytes: int = Field(description="of the reduced graph's file")
    size_bytes_fp32: int


class PrecisionFiles(Record):
    """The files of a precision, names of `BundleManifest.files`."""

    graph: str
    golden: str = Field(description="outputs of the golden films; the films themselves are in golden.npz")
    tolerance: float = Field(
        gt=0, description="how far a golden output may be off, relative to the largest golden value of that output"
    )


class PrecisionRecord(Record):
    """A reduced precision that was tried at the export: kept, or refused with the reason."""

    precision: ReducedPrecision
    method: str
    files: PrecisionFiles | None = Field(description="null: refused")
    refused: str | None = Field(description="null: kept")
    figures: PrecisionFigures | None = Field(description="null where no graph could be made")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.files is None) == (self.refused is None):
            msg = f"{self.precision} is either kept, with files, or refused, with the reason"
            raise ValueError(msg)
        return self
