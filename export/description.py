"""The description of a network that was trained elsewhere: a YAML file that is kept with it, or options of `adopt`."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from schemas.model.torch_network import TimmName
from schemas.preprocess import ClaheSpec, PreprocessSpec
from schemas.record import Record

_RANGE = re.compile(r"\s*(\S+?)\s*(?:\.\.\.?|,)\s*(\S+)\s*")


def _names(value: Any) -> Any:
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    if not isinstance(value, str):
        return (value,) if isinstance(value, int | float) else value
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not a number, or numbers separated by commas"
        raise ValueError(msg) from error


def _range(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = _RANGE.fullmatch(value)
    try:
        black, white = map(float, parts.groups() if parts else ())
    except ValueError as error:
        msg = f"{value!r} is not the value of black and the value of white, as 0..255"
        raise ValueError(msg) from error
    return black, white


def _clahe(value: Any) -> Any:
    if value == "none":
        return None
    if not isinstance(value, str | int | float | list | tuple):
        return value
    parts = tuple(value) if isinstance(value, list | tuple) else _numbers(value)
    if len(parts) > 2 or parts[1:] != tuple(map(int, parts[1:])):  # noqa: PLR2004 - clip limit and tiles
        msg = f"{value!r} is not a clip limit, or a clip limit and the number of tiles along each side, as 2,8"
        raise ValueError(msg)
    return ClaheSpec(clip_limit=parts[0], **({"grid": int(parts[1])} if parts[1:] else {}))


Channels = Annotated[tuple[float, ...], BeforeValidator(_numbers)]


class NetworkDescription(Record):
    """What an ONNX file does not state about its input, output and meaning.

    Text stands for a list where it separates the parts by commas, as on the command line. What is not set
    (`model_fields_set`) is read off the graph, or inferred from outputs that the owner gives.
    """

    classes: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        min_length=2,
        description="Names of the K outputs in their order, separated by commas; a single output is the second's.",
    )
    negative_class: str | None = Field(default=None, description="The class that means none of the others.")
    logits: str | None = Field(
        default=None, description="Tensor of the outputs; default: the one that has a value for each class."
    )
    columns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_numbers)] | None = Field(
        default=None,
        min_length=1,
        description="Which of its columns, from 0, are the classes; one column is the second class's. Default: all.",
    )
    activation: Literal["none", "sigmoid", "softmax"] | None = Field(
        default=None, description="What has made the outputs: none, sigmoid or softmax; default: read off the graph."
    )
    layout: Literal["nchw", "nhwc"] | None = Field(
        default=None, description="nchw or nhwc: where the channels stand; default: read off the graph."
    )
    size: int | None = Field(
        default=None, ge=16, le=1024, description="S, the side of its films in pixels; default: the graph's."
    )
    polarity: Literal["monochrome2", "monochrome1"] = Field(
        default="monochrome2", description="monochrome2: dense tissue is bright; monochrome1: it is dark."
    )
    value_range: Annotated[tuple[float, float], BeforeValidator(_range)] | None = Field(
        default=None, description="Values of black and white, e.g. 0..255; default: 0..1, of integers 0..255."
    )
    mean: Channels = Field(
        default=(0.0,), min_length=1, description="Of each channel C, subtracted from values in that range."
    )
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_numbers)] = Field(
        default=(1.0,), min_length=1, description="Of each channel C; the difference is divided by it."
    )
    resize: Literal["squash", "pad", "crop"] = Field(default="squash", description="squash, pad or crop.")
    shorter_side: int | None = Field(
        default=None,
        ge=16,
        le=2048,
        description="With --resize crop: what the shorter side becomes before the centre is cut out; default: S.",
    )
    interpolation: Literal["area", "linear", "cubic", "nearest"] = Field(
        default="area", description="area (averages, as Pillow does), linear, cubic or nearest (as OpenCV does)."
    )
    intensity: Literal["full_range", "percentile"] = Field(
        default="full_range", description="full_range or percentile."
    )
    clahe: Annotated[ClaheSpec | None, BeforeValidator(_clahe)] = Field(
        default=None, description="Equalise contrast first: clip limit, or clip limit and tiles, as 2,8; or none."
    )
    timm: TimmName | None = Field(
        default=None, description="Its name in timm, for heat maps by torch; together with --weights."
    )
    weights: Path | None = Field(
        default=None, description="Its weights, a safetensors file with timm's names of the tensors."
    )
    cam_layer: str | None = Field(
        default=None, description="Layer to explain; default: the output of forward_features."
    )

    @model_validator(mode="after")
    def _torch_is_described_whole(self) -> Self:
        if (self.timm is None) != (self.weights is None):
            msg = "--timm and --weights belong together: how the network is built, and its weights"
            raise ValueError(msg)
        if self.timm is not None and len(self.mean) != len(self.std):
            msg = f"--mean has {len(self.mean)} channels and --std {len(self.std)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _shorter_side_is_of_a_crop(self) -> Self:
        if self.shorter_side is None:
            return self
        if self.resize != "crop":
            msg = f"--shorter-side {self.shorter_side} belongs to --resize crop; state that too, or leave it out"
            raise ValueError(msg)
        if self.size is not None and self.shorter_side < self.size:
            msg = f"--shorter-side {self.shorter_side} is below --size {self.size}; a crop lies within the film"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _classes_are_distinct(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            msg = f"the classes {', '.join(self.classes)} repeat one; --classes names each output once"
            raise ValueError(msg)
        if self.negative_class is not None and self.negative_class not in self.classes:
            msg = f"--negative-class {self.negative_class} is not one of {', '.join(self.classes)}; name one of these"
            raise ValueError(msg)
        if self.value_range is not None and self.value_range[0] == self.value_range[1]:
            msg = f"--value-range: black and white are both {self.value_range[0]:g}; give two values, as 0..255"
            raise ValueError(msg)
        return self

    def preprocess(self, size: int) -> PreprocessSpec:
        """How films become its input of side `size`."""
        return PreprocessSpec(
            size=size,
            resize=self.resize,
            shorter_side=self.shorter_side,
            interpolation=self.interpolation,
            intensity=self.intensity,
            clahe=self.clahe,
        )

    @property
    def explained_layer(self) -> str:
        """The layer whose output is explained; `none` where nothing is."""
        return "none" if self.timm is None else self.cam_layer or "forward_features"
