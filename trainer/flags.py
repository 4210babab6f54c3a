"""The options of the train command that set one field of the config each, derived from the fields themselves."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from trainer.config import fields
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
