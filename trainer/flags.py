"""The options of the train command that set one field of the config each, derived from the fields themselves."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
import yaml
from pydantic.fields import FieldInfo

from schemas.errors import TrainingConfigError
from trainer.config import RunConfig, fields, make_config, nested, read_options
from trainer.launch import Processes

FLAGS: Mapping[str, tuple[str, ...]] = {
    "data.path": ("--data",),
    "networks.archs": ("--arch", "--archs"),
    "networks.seeds": ("--seed", "--seeds"),
    "networks.size": ("--size",),
    "learn.epochs": ("--epochs",),
    "learn.batch_size": ("--batch-size",),
    "learn.lr": ("--lr",),
    "learn.augment": ("--augment",),
    "data.films": ("--films",),
    "data.patients": ("--patients",),
    "data.negative_class": ("--negative-class",),
    "data.findings": ("--findings",),
    "data.folds": ("--folds",),
    "search.method": ("--search",),
    "search.trials": ("--search-trials",),
    "data.on_duplicates": ("--on-duplicates",),
    "data.skip_unreadable": ("--skip-unreadable",),
}
"""The most used fields by dotted name; `--set` sets any field."""


_PROCESSES: Mapping[str, tuple[Any, Any]] = {
    "devices": (
        int | None,
        typer.Option(min=1, help="Processes that train each network together, one for each device of this machine."),
    ),
    "nodes": (int | None, typer.Option(min=1, help="Machines that start the same command, on one disk.")),
    "rendezvous": (str | None, typer.Option(help="HOST:PORT where several machines meet.")),
}


_SWEEPS: Mapping[str, tuple[Any, Any]] = {
    "on": (
        Literal["local", "ray", "slurm"] | None,
        typer.Option(help="Run each trial as a process: of this machine, of a Ray cluster, or of a Slurm array."),
    ),
    "address": (str | None, typer.Option(help="ray: HOST:PORT of the cluster's head; default: this machine alone.")),
    "jobs": (int | None, typer.Option(min=1, help="local, slurm: trials at once; default: 1, or as Slurm decides.")),
    "cpus": (int, typer.Option(min=1, help="Cores for each trial, and threads of torch.")),
    "gpus": (float, typer.Option(min=0, help="Graphics cards for each trial; ray: also a part of one.")),
    "retries": (int, typer.Option(min=0, help="local, ray: new starts of a trial whose process or node was lost.")),
    "storage": (
        str | None,
        typer.Option(help="s3://, gs:// or az:// URL for the files of the run; default: --out, on a shared disk."),
    ),
    "submit": (bool, typer.Option("--submit", help="slurm: give the array to sbatch, and wait for it.")),
    "sbatch": (
        list[str] | None,
        typer.Option(help="slurm: a further option of sbatch, e.g. --sbatch=--partition=gpu."),
    ),
}
_SWEEP_DEFAULTS: Mapping[str, Any] = {"cpus": 1, "gpus": 0.0, "retries": 3, "submit": False}


def with_sweep_flags(command: Callable[..., None], train: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of sweeps, and after them all those of `train`."""
    own = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_SWEEP_DEFAULTS.get(name),
            annotation=Annotated[kind, option],
        )
        for name, (kind, option) in _SWEEPS.items()
    ]
    derived = inspect.signature(train, eval_str=True).parameters.values()
    command.__signature__ = inspect.Signature([*own, *derived])  # type: ignore[attr-defined]  # typer reads it
    return command


def take_sweep(flags: dict[str, Any]) -> dict[str, Any]:
    """The options of sweeps, taken out of `flags`."""
    return {name: flags.pop(name) for name in _SWEEPS}


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each of `FLAGS` and those of processes, in place of its `**flags`.

    Args:
        command: receives the options in `flags`, by parameter name; see `flag_values`.
    """
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    derived = [_parameter(name, field) for name, field in fields() if name in FLAGS]
    derived.sort(key=lambda parameter: list(FLAGS).index(_field_of(parameter.name)))
    processes = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])
        for name, (kind, option) in _PROCESSES.items()
    ]
    command.__signature__ = inspect.Signature([*own, *processes, *derived])  # type: ignore[attr-defined]  # typer reads it
    return command


def take_processes(flags: dict[str, Any]) -> Processes | None:
    """The options of processes, taken out of `flags`; None where none was given: this process trains alone."""
    given = {name: flags.pop(name) for name in _PROCESSES}
    if all(value is None for value in given.values()):
        return None
    return Processes(given["devices"] or 1, given["nodes"] or 1, given["rendezvous"])


def flag_values(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the options that were given, by dotted field name; of a list A,B and C as A, B, C."""
    return {
        _field_of(name): [part for text in value for part in text.split(",") if part]
        if isinstance(value, list)
        else value
        for name, value in flags.items()
        if value is not None
    }


def config_of(file: Path | None, flags: Mapping[str, Any], fields: Sequence[str], weights: Sequence[str]) -> RunConfig:
    """The config of a command line.

    Args:
        file: of options; those given by the others win.
        flags: values by dotted field name.
        fields: FIELD=VALUE each, as --set has them.
        weights: as --weights has them: NAME=SOURCE for one architecture, SOURCE for all.

    Raises:
        TrainingConfigError: see `read_options` and `make_config`; or a text that has not this form.
    """
    before = nested(read_options(file)) if file else {}
    options = nested({**before, **flags, **dict(_field(text) for text in fields)})
    return make_config(_with_weights(options, weights))


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    option = typer.Option(*FLAGS[name], help=f"{field.description}.", show_default=False)
    return inspect.Parameter(
        name.replace(".", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_kind(field.annotation) | None, option],
    )


def _field_of(parameter: str) -> str:
    return parameter.replace("_", ".", 1)


def _kind(annotation: Any) -> Any:
    """The type that the command line reads for a field: a number, a switch, a list of texts or a text."""
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is tuple:
        return list[str]
    return annotation if annotation in {int, float, bool} else str


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        msg = f"--set {text} is not FIELD=VALUE"
        raise TrainingConfigError(msg)
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        msg = f"--set {text}: the value is not YAML"
        raise TrainingConfigError(msg) from error


def _with_weights(options: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The options with the sources of --weights by architecture: NAME=SOURCE for one, SOURCE for all."""
    if not texts:
        return options
    archs = options.get("networks", {}).get("archs", ())
    return nested({**options, "networks.weights": _weights(texts, archs)})


def _weights(texts: Sequence[str], archs: Sequence[str]) -> dict[str, str]:
    from trainer.networks.weights import HUB, NONE  # noqa: PLC0415 - imports torch: --help answers at once

    sources: dict[str, str] = {}
    for text in texts:
        name, equals, source = text.partition("=")
        if equals:
            sources[name] = source
        elif text in {NONE, HUB} or len(archs) == 1:
            sources |= dict.fromkeys(archs, text)
        else:
            msg = f"--weights {text} fits one architecture, not {len(archs)}; name it: --weights NAME={text}"
            raise TrainingConfigError(msg)
    return sources
