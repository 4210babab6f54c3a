"""How torch builds the network of a bundle's graph again, where its weights are in the bundle too."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.record import Record

# Without a colon: timm would take hf-hub:… and local-dir:… for addresses.
TimmName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)?$")]


class TorchNetwork(Record):
    """How torch builds the network of the graph again, to differentiate it.

    It is an architecture of timm with the weights of `schemas.model.manifest.WEIGHTS`. The name is looked up among the
    architectures that are installed; nothing is downloaded for it.
    """

    timm_name: TimmName
    arguments: dict[str, bool | int | float | str] = Field(
        default={}, description="of timm.create_model, e.g. pad_type"
    )
    cam_layer: str | None = Field(
        description="module of timm's network whose output [N, C, h, w] is explained; null: what forward_features gives"
    )
    fine_layer: str | None = Field(
        default=None, description="earlier module whose output LayerCAM explains; null: it cannot"
    )
    mean: tuple[float, ...] = Field(min_length=1, description="per channel, subtracted from a film in [0, 1]")
    std: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1, description="per channel, divides after that")

    @model_validator(mode="after")
    def _one_std_for_each_mean(self) -> Self:
        if len(self.mean) != len(self.std):
            msg = f"mean has {len(self.mean)} channels and std {len(self.std)}"
            raise ValueError(msg)
        return self
