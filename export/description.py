"""The description of a network that was trained elsewhere: a YAML file that is kept with it, or options of `adopt`."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from schemas.model.torch_network import TimmName, TorchNetwork
from schemas.preprocess import PreprocessSpec
from schemas.record import Record


def _names(value: Any) -> Any:
    return tuple(value.split(",")) if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    if not isinstance(value, str):
        return (value,) if isinstance(value, int | float) else value
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not a number, or numbers separated by commas"
        raise ValueError(msg) from error


Channels = Annotated[tuple[float, ...], BeforeValidator(_numbers)]


class NetworkDescription(Record):
    """What an ONNX file does not state about its input, output and meaning.

    Text stands for a list where it separates the parts by commas, as on the command line.
    """

    classes: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        min_length=2, description="Names of the K logits in their order, separated by commas."
    )
    size: int = Field(description="S, the side of its films in pixels.")
    negative_class: str | None = Field(default=None, description="The class that means none of the others.")
    logits: str | None = Field(default=None, description="Tensor before any softmax; default: the only output.")
    mean: Channels = Field(
        default=(0.0,), min_length=1, description="Of each channel C, subtracted from films in [0, 1]."
    )
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_numbers)] = Field(
        default=(1.0,), min_length=1, description="Of each channel C; the difference is divided by it."
    )
    resize: Literal["squash", "pad"] = Field(default="squash", description="squash or pad.")
    intensity: Literal["full_range", "percentile"] = Field(
        default="full_range", description="full_range or percentile."
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

    @property
    def preprocess(self) -> PreprocessSpec:
        """How films become its input."""
        return PreprocessSpec(size=self.size, resize=self.resize, intensity=self.intensity)

    @property
    def explained_layer(self) -> str:
        """The layer whose output is explained; `none` where nothing is."""
        return "none" if self.timm is None else self.cam_layer or "forward_features"

    @property
    def torch(self) -> TorchNetwork | None:
        """How torch builds it; None: not described."""
        if self.timm is None:
            return None
        return TorchNetwork(timm_name=self.timm, cam_layer=self.cam_layer, mean=self.mean, std=self.std)
