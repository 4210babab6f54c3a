"""Everything that decides a run, as one frozen record that is saved with it."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from schemas.errors import TrainingConfigError
from schemas.model.calibration import Fraction
from schemas.preprocess import ClaheSpec, PreprocessSpec
from schemas.record import Record
from trainer.films.duplicates import NEAR_DUPLICATE
from trainer.films.leaks import OnDuplicates
from trainer.films.sources import Classes, Masks
from trainer.learning.augment import RECIPES, AugmentRecipe
from trainer.networks.architectures import ARCHITECTURES, Recipe, architecture
from trainer.networks.views import PERTURBATIONS

CONFIG = "config.yaml"

Name = Annotated[str, Field(min_length=1)]
Scale = Annotated[float, Field(ge=0.5, le=2)]
OptimizerName = Literal["adamw", "adam", "sgd", "rmsprop"]
StrategyName = Literal["full", "frozen", "last_stages", "progressive"]
ScheduleName = Literal["cosine", "step", "plateau", "constant"]


class SearchSpec(Record):
    """What is searched for each architecture before its trials are trained; judged on validation."""

    method: Literal["random", "asha"] = Field(description="asha ends trials early that are behind the others")
    trials: int = Field(
        default=20, ge=1, description="settings tried for each architecture; the first are the run's own"
    )
    seed: int = Field(default=0, description="of what is drawn")
    lr_factor: float = Field(default=10.0, ge=1, description="learning rates from 1/factor to factor times the run's")
    weight_decay_factor: float = Field(default=10.0, ge=1, description="the same for weight decay")
    strategies: tuple[StrategyName, ...] = Field(default=(), description="drawn from; empty: the run's own")


class RunConfig(Record):
    """One run: the films, the networks and how each is trained. Null means: what the architecture's row says."""

    data: Name = Field(description="folder of films, MedMNIST .npz, or .csv of path,label[,patient][,split]")
    cache: Name = Field(default=".cache/films", description="folder for decoded films")
    archs: tuple[Name, ...] = Field(min_length=1, description="rows of the architecture table, or timm:<name>")
    seeds: tuple[int, ...] = Field(
        default=(0,), min_length=1, description="each architecture is trained once with each"
    )
    weights: dict[Name, Name] = Field(default={}, description="architecture: 'hub', 'none' or a file; absent: 'none'")
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="auto", description="auto: the graphics card where there is one"
    )

    size: int | None = Field(default=None, ge=16, le=1024, description="S, the side of the network's input")
    resize: Literal["squash", "pad"] = Field(
        default="squash", description="pad: keep the aspect, black around the film"
    )
    intensity: Literal["full_range", "percentile"] = Field(
        default="full_range",
        description="what becomes 0 and 1: the limits of the bit depth, or of the film's middle 99 %",
    )
    clahe: ClaheSpec | None = Field(
        default=None, description="local contrast: clip_limit and grid; null: left as it is"
    )
    augment: Name = Field(default="standard", description="name of an augmentation recipe")
    horizontal_flip: bool = Field(default=False, description="mirror half of the films, hearts and all")
    teachers: tuple[Name, ...] = Field(
        default=(), description="folders of trials of the same split, whose mean opinion of each film is learned"
    )
    teachers_share: Fraction = Field(default=0.5, description="of the label that is the teachers' opinion")
    mixup: float = Field(default=0.0, ge=0, le=10, description="alpha of the beta distribution; 0: films are not mixed")
    val_fraction: float = Field(default=0.15, gt=0, lt=0.5, description="of train, where the data has no val")
    folds: int | None = Field(default=None, ge=2, description="k-fold cross-validation over train and val, by patient")
    films: int | None = Field(default=None, ge=10, description="train on a sample of so many films; null: all")
    test_fraction: float = Field(default=0.15, ge=0, lt=0.5, description="where the data has no test; 0: never tested")
    split_seed: int = Field(default=0, description="decides which patients validate and test")
    classes: Classes = Field(
        default="folders", description="kermany3: normal, bacterial, viral by Kermany's file names"
    )
    label_names: tuple[Name, ...] = Field(default=(), description="names of the labels 0, 1, … of a .npz")
    masks: Masks = Field(default="ignore", description="lungs: train on the lungs alone, never to be served")
    skip_unreadable: bool = Field(default=False, description="leave out files that cannot be read, instead of stopping")
    on_duplicates: OnDuplicates = Field(default="stop", description="what to do about copies across splits")
    near_duplicates: float = Field(
        default=NEAR_DUPLICATE, gt=0.9, le=1, description="rank correlation of thumbnails that makes two films copies"
    )

    epochs: int | None = Field(default=None, ge=1, description="at most so many")
    batch_size: int | None = Field(default=None, ge=2, description="films that the network sees at once")
    accumulate: int = Field(default=1, ge=1, description="batches whose gradients make one step")
    lr: float | None = Field(default=None, gt=0, description="peak learning rate")
    weight_decay: float | None = Field(default=None, ge=0, description="of the weights, not of biases and norms")
    optimizer: OptimizerName = Field(default="adamw", description="sgd and rmsprop with momentum 0.9")
    schedule: ScheduleName = Field(default="cosine", description="of the learning rate, after the warm-up")
    warmup: Fraction = Field(default=0.05, description="share of all steps over which the rate rises from 0")
    loss: Literal["cross_entropy", "focal", "expected_cost"] = Field(
        default="cross_entropy", description="expected_cost: prices a missed finding above a false alarm"
    )
    missed_finding_cost: float = Field(
        default=4.0, ge=1, description="of expected_cost: a missed finding costs so many false alarms"
    )
    class_weights: bool = Field(default=False, description="weigh each class by the inverse of its frequency")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of the truth given to all classes alike")
    focal_gamma: float = Field(default=2.0, ge=0, description="of focal: how far films that are easy count less")
    sampler: Literal["none", "balanced"] = Field(default="none", description="balanced: draw each class equally often")
    strategy: StrategyName = Field(
        default="full",
        description="frozen: the last linear layer learns; last_stages: and so many below; progressive: one more each time",
    )
    stages: int = Field(default=1, ge=1, description="of last_stages: stages of the body that learn, from the top")
    unfreeze_epochs: int = Field(default=1, ge=1, description="of progressive: epochs until the next stage learns")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="before the last linear layer")
    layer_decay: float = Field(default=1.0, gt=0, le=1, description="factor on the rate for each layer further down")
    clip_norm: float | None = Field(default=1.0, gt=0, description="longest gradient of a step; null: any")
    ema_decay: float = Field(default=0.0, ge=0, lt=1, description="0: no moving average of the weights")
    patience: int = Field(default=10, ge=1, description="epochs without a better validation AUROC before stopping")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32", description="bf16, fp16: mixed; fp16 on CUDA alone"
    )
    compile: bool = Field(default=False, description="compile the network with torch.compile first")
    channels_last: bool = Field(default=True, description="memory layout of the network; false: channels first")
    workers: int = Field(default=1, ge=1, description="threads that augment films ahead of the network")

    target_sensitivity: float = Field(default=0.96, gt=0, lt=1, description="that each operating point reaches")
    alpha: float = Field(default=0.1, gt=0, lt=1, description="conformal miscoverage accepted of each class")
    shifts: bool = Field(
        default=False, description="judge every trial also on films as other sites would have sent them"
    )
    decide_on: Literal["films", "shifts"] = Field(
        default="films", description="shifts: thresholds and temperature hold for validation films under shifts, too"
    )
    tta: int = Field(
        default=0,
        ge=0,
        le=len(PERTURBATIONS),
        description="moved and turned views of each film in a further evaluation",
    )
    scales: tuple[Scale, ...] = Field(
        default=(1.0,), min_length=1, description="sizes at which a further evaluation sees each view; above 1 enlarges"
    )

    ensemble: int = Field(default=3, ge=0, description="architectures whose best trials are averaged; below 2: none")
    explain: int = Field(default=1, ge=0, description="trials, the best first, whose heat maps are drawn and judged")
    search: SearchSpec | None = Field(default=None, description="null: nothing is searched")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.class_weights and self.sampler == "balanced":
            msg = "class_weights and sampler=balanced together over-correct the imbalance; choose one"
            raise ValueError(msg)
        if self.decide_on == "shifts" and not self.shifts:
            msg = "decide_on=shifts needs the shifted films; set shifts=true too"
            raise ValueError(msg)
        if self.teachers and (self.search or self.folds):
            msg = "teachers teach on one split with settings that are known; train without search and folds"
            raise ValueError(msg)
        if self.augment not in RECIPES:
            msg = f"augment={self.augment!r} is no recipe; known: {', '.join(RECIPES)}"
            raise ValueError(msg)
        unique = {"archs": self.archs, "seeds": self.seeds, "label_names": self.label_names, "scales": self.scales}
        for what, names in unique.items():
            if len(set(names)) != len(names):
                msg = f"{what} repeats an entry: {names}; name each once"
                raise ValueError(msg)
        if unused := set(self.weights) - set(self.archs):
            msg = f"weights are given for {sorted(unused)}, which this run does not train; archs: {self.archs}"
            raise ValueError(msg)
        return self

    @property
    def augmentation(self) -> AugmentRecipe:
        """How training films are varied."""
        recipe = RECIPES[self.augment]
        return recipe.model_copy(update={"horizontal_flip": recipe.horizontal_flip or self.horizontal_flip})

    def recipe(self, name: str) -> Recipe:
        """The recipe of an architecture, with what this run overrides."""
        row = architecture(name).recipe
        return Recipe(
            lr=self.lr or row.lr,
            weight_decay=row.weight_decay if self.weight_decay is None else self.weight_decay,
            batch_size=self.batch_size or row.batch_size,
            epochs=self.epochs or row.epochs,
        )

    def preprocess(self, name: str) -> PreprocessSpec:
        """How films are prepared for an architecture."""
        size = self.size or architecture(name).input_size
        return PreprocessSpec(size=size, resize=self.resize, intensity=self.intensity, clahe=self.clahe)


def expand(options: dict[str, Any]) -> dict[str, Any]:
    """The options with the word 'all' replaced by every row of the architecture table."""
    return {**options, "archs": tuple(ARCHITECTURES)} if list(options.get("archs", ())) == ["all"] else options


def make_config(options: dict[str, Any]) -> RunConfig:
    """A config from options.

    Raises:
        TrainingConfigError: an option that is unknown, out of range, or contradicts another; it names the field.
    """
    try:
        config = RunConfig.model_validate(options)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'config'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        msg = f"the training config is refused: {'; '.join(faults)}"
        raise TrainingConfigError(msg) from error
    for name in config.archs:
        architecture(name)
    return config


def read_options(path: Path) -> dict[str, Any]:
    """The options of a YAML file, unchecked.

    Raises:
        TrainingConfigError: the file cannot be read, or is not a mapping of options.
    """
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"the config {path} cannot be read: {error}"
        raise TrainingConfigError(msg) from error
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        msg = f"the config {path} is not a mapping of option: value"
        raise TrainingConfigError(msg)
    return options


def read_config(run: Path) -> RunConfig:
    """The config that a run was started with.

    Raises:
        TrainingConfigError: there is none, or it was altered into something invalid.
    """
    return make_config(read_options(run / CONFIG))
