"""Everything that decides a run, as one frozen record of sections that is saved with the run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from schemas.errors import TrainingConfigError
from schemas.record import Record
from trainer.films.options import DataOptions
from trainer.folder import RunFolder
from trainer.judging.options import JudgeOptions
from trainer.learning.options import LearnOptions, StrategyName
from trainer.networks.architectures import ARCHITECTURES, architecture
from trainer.networks.options import NetworkOptions


class SearchOptions(Record):
    """What is searched for each architecture before its trials are trained; validation decides."""

    method: Literal["random", "asha"] = Field(description="asha ends fits early that fall behind the others")
    trials: int = Field(
        default=20, ge=1, description="Number of settings tried for each architecture; the first are the run's own"
    )
    seed: int = Field(default=0, description="Seed of the settings that are drawn")
    lr_factor: float = Field(
        default=10.0, ge=1, description="Learning rates from 1/factor to factor times the run's are tried"
    )
    weight_decay_factor: float = Field(default=10.0, ge=1, description="The same for weight decay")
    strategies: tuple[StrategyName, ...] = Field(
        default=(), description="Strategies that are tried; empty: the run's own alone"
    )


class ReportOptions(Record):
    """What is added to the trials at the end of a run."""

    ensemble: int = Field(
        default=3, ge=0, description="Number of architectures whose best trials are averaged; below 2: no average"
    )
    explain: int = Field(
        default=1, ge=0, description="Number of trials, the best first, whose heat maps are drawn and measured"
    )


class RunConfig(Record):
    """One run: its films, its networks, how they are trained and how they are judged."""

    data: DataOptions
    networks: NetworkOptions
    learn: LearnOptions = LearnOptions()
    judge: JudgeOptions = JudgeOptions()
    search: SearchOptions | None = Field(default=None, description="null: nothing is searched")
    report: ReportOptions = ReportOptions()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.learn.teachers and (self.search or self.data.folds):
            msg = "learn.teachers teach on one split with settings that are known; train without search and data.folds"
            raise ValueError(msg)
        self._check_reasons()
        if self.search and self.data.folds:
            msg = (
                f"data.folds={self.data.folds} with search.method={self.search.method}: the settings would be chosen "
                "on films that other folds train on; search in a run without folds, then give its settings to a run "
                "with folds"
            )
            raise ValueError(msg)
        return self

    def _check_reasons(self) -> None:
        """What is asked of marks on films needs marks, and heat that the network draws on the film itself."""
        reasons = self.learn.reasons
        if reasons.asked and self.data.lung_masks is None and self.data.boxes is None:
            msg = (
                "learn.swapped_background, learn.attention_loss and learn.consistency_loss learn from marks on films; "
                "name their folder or table by data.lung_masks or data.boxes, or leave them out"
            )
            raise ValueError(msg)
        if (reasons.background or reasons.consistency) and self.data.lung_masks is None:
            msg = "learn.swapped_background and learn.consistency_loss replace all but the lungs; name data.lung_masks"
            raise ValueError(msg)
        if reasons.attention and self.networks.guide is not None:
            msg = (
                "learn.attention_loss asks for heat in the lungs, and a network behind networks.guide sees nothing "
                "else; leave one of them out"
            )
            raise ValueError(msg)

    def changed(self, fields: Mapping[str, Any]) -> "RunConfig":
        """The same with other values of fields, by dotted name.

        Raises:
            TrainingConfigError: see `make_config`.
        """
        return make_config({**self.model_dump(), **fields})

    def values(self) -> dict[str, Any]:
        """The value of every field by its dotted name; of a section that is null, the null by the section's name."""
        values: dict[str, Any] = {}
        for section, fields_of in self:
            if isinstance(fields_of, BaseModel):
                values |= {f"{section}.{name}": value for name, value in fields_of}
            else:
                values[section] = fields_of
        return values


def make_config(options: Mapping[str, Any]) -> RunConfig:
    """A config from options.

    Args:
        options: values by section and field, nested (`{"learn": {"lr": 1e-3}}`) or dotted (`{"learn.lr": 1e-3}`); of
            two values for one field the later one counts.

    Raises:
        TrainingConfigError: an option that is unknown, out of range, or contradicts another; it names the field.
    """
    try:
        config = RunConfig.model_validate(nested(options))
    except ValidationError as error:
        raise _refused(error) from error
    for name in config.networks.archs:
        architecture(name)
    return config


def data_options(**fields: Any) -> DataOptions:
    """The section `data` alone, for commands that train nothing.

    Raises:
        TrainingConfigError: see `make_config`.
    """
    try:
        return DataOptions(**fields)
    except ValidationError as error:
        raise _refused(error) from error


def _refused(error: ValidationError) -> TrainingConfigError:
    faults = (
        f"{'.'.join(map(str, fault['loc'])) or 'config'}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_url=False, include_input=False)
    )
    return TrainingConfigError(f"the training config is refused: {'; '.join(faults)}")


def nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with dotted names as sections of their fields, and 'all' as every row of the architecture table."""
    sections: dict[str, Any] = {}
    for name, value in options.items():
        section, dot, field = name.partition(".")
        addition = {field: value} if dot else value
        before = sections.get(section)
        if isinstance(addition, Mapping):
            sections[section] = {**(before if isinstance(before, Mapping) else {}), **addition}
        else:
            sections[section] = addition
    networks = sections.get("networks")
    if isinstance(networks, dict) and networks.get("archs") in (["all"], ("all",)):
        networks["archs"] = tuple(ARCHITECTURES)
    return sections


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """Every field of a config by its dotted name, section by section."""
    sections: dict[str, type[BaseModel]] = {
        "data": DataOptions,
        "networks": NetworkOptions,
        "learn": LearnOptions,
        "judge": JudgeOptions,
        "search": SearchOptions,
        "report": ReportOptions,
    }
    for section, model in sections.items():
        for name, field in model.model_fields.items():
            yield f"{section}.{name}", field


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


def read_config(folder: RunFolder) -> RunConfig:
    """The config that a run was started with.

    Raises:
        TrainingConfigError: there is none, or it was altered into something invalid.
    """
    return make_config(read_options(folder.config))
