"""Section `learn` of a training config: how a network is trained."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.errors import TrainingConfigError
from schemas.model.calibration import Fraction
from schemas.record import Record
from trainer.learning.augment import AugmentRecipe, find_recipe
from trainer.learning.reasons.options import Reasons
from trainer.networks.architectures import Recipe, architecture
from trainer.networks.device import AskedPrecision, Device
from trainer.plugins import find_plugin, plugin_names

Name = Annotated[str, Field(min_length=1)]
OptimizerName = Literal["adamw", "adam", "sgd", "rmsprop"]
StrategyName = Literal["full", "frozen", "last_stages", "progressive"]
LOSSES = ("cross_entropy", "focal", "expected_cost", "asymmetric")
ScheduleName = Literal["cosine", "step", "plateau", "constant"]


class LearnOptions(Record):
    """How a network is trained; null means the default of the architecture's row."""

    device: Device = Field(default="auto", description="auto: the graphics card where there is one")
    precision: AskedPrecision = Field(
        default="fp32",
        description="bf16, fp16: mixed precision; fp16 on CUDA alone; auto: bf16 where it is measured to be faster",
    )
    compile: bool = Field(default=False, description="Compile the network with torch.compile first")
    channels_last: bool = Field(
        default=True, description="Memory layout of the network: channels last; false: channels first"
    )
    workers: int = Field(
        default=1, ge=1, description="Augment films ahead of the network: 1: a thread; more: processes"
    )

    epochs: int | None = Field(default=None, ge=1, description="Largest number of epochs; default: the architecture's")
    patience: int = Field(
        default=10, ge=1, description="Epochs without a better validation AUROC before training stops"
    )
    batch_size: int | None = Field(default=None, ge=2, description="Films in a batch; default: the architecture's")
    accumulate: int = Field(default=1, ge=1, description="Batches whose gradients make one step")
    optimizer: OptimizerName = Field(default="adamw", description="sgd and rmsprop have a momentum of 0.9")
    lr: float | None = Field(default=None, gt=0, description="Peak learning rate; default: the architecture's")
    weight_decay: float | None = Field(default=None, ge=0, description="Of weights; biases and norms do not decay")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="Factor on the learning rate for each layer further down"
    )
    schedule: ScheduleName = Field(default="cosine", description="Course of the learning rate after the warm-up")
    warmup: Fraction = Field(default=0.05, description="Share of all steps over which the learning rate rises from 0")
    clip_norm: float | None = Field(
        default=1.0, gt=0, description="Largest norm of a step's gradient; null: not limited"
    )
    ema_decay: float = Field(
        default=0.0, ge=0, lt=1, description="Decay of the moving average of the weights; 0: no average"
    )

    strategy: StrategyName = Field(
        default="full",
        description="Weights that learn: all; frozen: the last linear layer; last_stages: and the stages below it; "
        "progressive: one stage more each time",
    )
    stages: int = Field(
        default=1, ge=1, description="For last_stages: number of stages of the body that learn, from the top"
    )
    unfreeze_epochs: int = Field(
        default=1, ge=1, description="For progressive: number of epochs until the next stage learns"
    )
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="Dropout before the last linear layer; default: the architecture's"
    )

    loss: Name = Field(
        default="cross_entropy",
        description="cross_entropy, focal, expected_cost (a missed finding costs more than a false alarm), asymmetric "
        "(of findings: the surer an absence the less it counts) or a plug-in",
    )
    missed_finding_cost: float = Field(
        default=4.0, ge=1, description="For expected_cost: cost of a missed finding, in false alarms"
    )
    focal_gamma: float = Field(default=2.0, ge=0, description="For focal: how much less an easy film counts")
    asymmetric_gamma: float = Field(
        default=4.0, ge=1, description="For asymmetric: how much less an absent finding counts that is surely absent"
    )
    asymmetric_margin: float = Field(
        default=0.05, ge=0, lt=1, description="For asymmetric: probability below which an absent finding costs nothing"
    )
    class_weights: bool = Field(
        default=False,
        description="Weight each class, of a finding its presence and its absence, by the inverse of its frequency",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the label that is spread evenly over all classes"
    )
    sampler: Literal["none", "balanced"] = Field(default="none", description="balanced: draw each class equally often")

    augment: Name = Field(default="standard", description="Name of an augmentation recipe")
    horizontal_flip: bool = Field(default=False, description="Mirror half of the films; the heart is then on the right")
    mixup: float = Field(
        default=0.0, ge=0, le=10, description="Alpha of mixup's beta distribution; 0: films are not mixed"
    )
    swapped_background: Fraction = Field(
        default=0.0,
        description="Share of the films with marked lungs (data.lung_masks) that are shown in front of a gray "
        "background or another film's: all but the rib cage is replaced",
    )
    attention_loss: float = Field(
        default=0.0,
        ge=0,
        description="Weight of the share of a finding's Grad-CAM heat beside the lungs or boxes (data.lung_masks, "
        "data.boxes)",
    )
    consistency_loss: float = Field(
        default=0.0,
        ge=0,
        description="Weight of the divergence between the answers to a film with marked lungs on its own background "
        "and on another one",
    )
    teachers: tuple[Name, ...] = Field(
        default=(), description="Folders of trials of the same split, whose mean answer to each film is learned"
    )
    teachers_share: Fraction = Field(default=0.5, description="Share of the label that is the teachers' answer")

    @field_validator("augment")
    @classmethod
    def _known(cls, augment: str) -> str:
        return _found(augment, find_recipe)

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, loss: str) -> str:
        return _found(loss, _find_loss)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.class_weights and self.sampler == "balanced":
            msg = "class_weights and sampler=balanced together over-correct the imbalance; choose one"
            raise ValueError(msg)
        if self.mixup and self.reasons.asked:
            msg = (
                "mixup blends two films, and marks belong to one: set mixup=0, or leave out swapped_background, "
                "attention_loss and consistency_loss"
            )
            raise ValueError(msg)
        return self

    @property
    def reasons(self) -> Reasons:
        """What is asked of the network in addition to the right answer."""
        return Reasons(self.swapped_background, self.attention_loss, self.consistency_loss)

    @property
    def augmentation(self) -> AugmentRecipe:
        """How training films are varied."""
        recipe = find_recipe(self.augment)
        return recipe.model_copy(update={"horizontal_flip": recipe.horizontal_flip or self.horizontal_flip})

    def changed(self, fields: Mapping[str, object]) -> "LearnOptions":
        """The same with other values of fields."""
        return LearnOptions.model_validate({**self.model_dump(), **fields})

    def dropout_of(self, name: str) -> float:
        """The dropout of an architecture before its last linear layer.

        Raises:
            TrainingConfigError: no such architecture.
        """
        return architecture(name).dropout if self.dropout is None else self.dropout

    def recipe(self, name: str) -> Recipe:
        """The recipe of an architecture, with what this section overrides.

        Raises:
            TrainingConfigError: no such architecture.
        """
        row = architecture(name).recipe
        return Recipe(
            lr=self.lr or row.lr,
            weight_decay=row.weight_decay if self.weight_decay is None else self.weight_decay,
            batch_size=self.batch_size or row.batch_size,
            epochs=self.epochs or row.epochs,
        )


def _find_loss(name: str) -> None:
    if find_plugin("loss", name, LOSSES) is None and name not in LOSSES:
        msg = f"{name!r} is not a loss; known: {', '.join((*LOSSES, *plugin_names('loss')))}"
        raise TrainingConfigError(msg)


def _found(name: str, find: Callable[[str], object]) -> str:
    """The name, once it was found; pydantic adds the name of the field to a ValueError alone."""
    try:
        find(name)
    except TrainingConfigError as error:
        raise ValueError(str(error)) from error
    return name
