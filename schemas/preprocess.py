"""How a radiograph becomes the network's input, as data that travels in the bundle."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.record import Record


class ClaheSpec(Record):
    """Contrast-limited adaptive histogram equalisation, applied at the network's side S.

    Source: Zuiderveld, Graphics Gems IV (1994) 474-485.
    """

    clip_limit: float = Field(default=2.0, gt=0, le=40)
    grid: int = Field(default=8, ge=1, le=64, description="tiles along each side")


class PreprocessSpec(Record):
    """Everything that turns a radiograph `[H, W]` into float32 `[1, S, S]` in [0, 1].

    Mean, standard deviation and channel replication are not here: they are inside the
    ONNX graph, so that no caller can get them wrong.
    """

    size: int = Field(ge=16, le=1024, description="S, the side of the network's input in pixels")
    resize: Literal["squash", "pad", "crop"] = Field(
        default="squash",
        description="squash: both sides to S, aspect lost; pad: the longer side to S, the rest filled with 0 (black); "
        "crop: the shorter side to shorter_side, and the central S x S of that",
    )
    shorter_side: int | None = Field(
        default=None, ge=16, le=2048, description="of crop, at least S, e.g. 256 for S = 224; null: S"
    )
    interpolation: Literal["area", "linear", "cubic", "nearest"] = Field(
        default="area",
        description="area: the average where an axis shrinks, linear where it grows; "
        "linear, cubic, nearest: of the neighbours alone, as OpenCV and Keras resize",
    )
    intensity: Literal["full_range", "percentile"] = Field(
        default="full_range",
        description="full_range: 0 and the largest storable value become 0 and 1; "
        "percentile: the film's own 0.5 and 99.5 percentiles do",
    )
    clahe: ClaheSpec | None = None

    @model_validator(mode="after")
    def _crop_lies_within(self) -> Self:
        if self.shorter_side is not None and (self.resize != "crop" or self.shorter_side < self.size):
            msg = (
                f"shorter_side {self.shorter_side} belongs to resize crop, not to {self.resize}, and is at least the "
                f"size {self.size}; correct it or leave it out"
            )
            raise ValueError(msg)
        return self

    @property
    def cropped_side(self) -> int:
        """What the shorter side becomes before a crop."""
        return self.shorter_side or self.size

    @property
    def decoded_side(self) -> int | None:
        """The side for which a large JPEG may be decoded at reduced size, which averages; None: at full size only."""
        return self.cropped_side if self.interpolation == "area" else None
