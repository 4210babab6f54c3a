"""Section `networks` of a training config: which networks are trained, from which weights, and how they see a film."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.preprocess import ClaheSpec, PreprocessSpec
from schemas.record import Record, distinct
from trainer.networks.architectures import architecture
from trainer.networks.designs import FILM_SIDE

Name = Annotated[str, Field(min_length=1)]


class NetworkOptions(Record):
    """The networks of a run; null means the default of the architecture's row."""

    archs: tuple[Name, ...] = Field(min_length=1, description="Rows of the architecture table, or timm:<name>")
    seeds: tuple[int, ...] = Field(
        default=(0,), min_length=1, description="Each architecture is trained once with each of these seeds"
    )
    weights: dict[Name, Name] = Field(
        default={}, description="First weights by architecture: 'hub', 'none' or a file; absent: 'none'"
    )
    size: int | None = Field(default=None, ge=16, le=1024, description="S, the side of the network's input")
    guide: Name | None = Field(
        default=None,
        description="Folder of a trained guide; every network then sees the lungs alone, S pixels a side, of films of "
        "256; see docs/guide.md",
    )
    resize: Literal["squash", "pad"] = Field(
        default="squash", description="pad: keep the aspect ratio, black around the film"
    )
    intensity: Literal["full_range", "percentile"] = Field(
        default="full_range",
        description="What becomes 0 and 1: the limits of the bit depth, or of the middle 99 % of the film's pixels",
    )
    clahe: ClaheSpec | None = Field(default=None, description="Local contrast: clip_limit and grid; null: unchanged")

    _distinct = field_validator("archs", "seeds")(distinct)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if unused := set(self.weights) - set(self.archs):
            msg = f"weights are given for {sorted(unused)}, which this run does not train; archs: {self.archs}"
            raise ValueError(msg)
        return self

    def preprocess(self, name: str) -> PreprocessSpec:
        """How films are prepared for an architecture.

        Raises:
            TrainingConfigError: no such architecture.
        """
        size = self.side(name) if self.guide is None else FILM_SIDE
        return PreprocessSpec(size=size, resize=self.resize, intensity=self.intensity, clahe=self.clahe)

    def side(self, name: str) -> int:
        """The side of what an architecture sees, in pixels: the film, or behind a guide the lungs.

        Raises:
            TrainingConfigError: no such architecture.
        """
        return self.size or architecture(name).input_size
