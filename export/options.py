"""Command lines made from models: one option for each field, with the field's description as its help."""

import inspect
import types
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import typer
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Options = TypeVar("Options", bound=BaseModel)


def options_of(
    model: type[Options], files: Mapping[str, str] = types.MappingProxyType({})
) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Let typer give a function of one model an option for each field.

    A field that is a model itself lends its fields.

    Args:
        model: the argument of the function.
        files: for such a field, another field, which names a YAML file of its values. Options override the file.
    """

    def decorate(function: Callable[[Options], None]) -> Callable[..., None]:
        @wraps(function)
        def command(**values: Any) -> None:
            function(_build(model, values, files))

        parameters = [
            parameter
            for name, field in model.model_fields.items()
            for parameter in _parameters(name, field, from_file=name in files)
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _parameters(name: str, field: FieldInfo, *, from_file: bool) -> list[inspect.Parameter]:
    nested = _nested(field)
    if nested is None:
        return [_parameter(name, field, from_file=False)]
    return [_parameter(inner, entry, from_file=from_file) for inner, entry in nested.model_fields.items()]


def _parameter(name: str, field: FieldInfo, *, from_file: bool) -> inspect.Parameter:
    kind = _option_type(field.annotation)
    text = "" if field.is_required() else _in_text(field.default)
    names = [f"--{name.replace('_', '-')}"] if kind is bool else []
    # A default would hide whether the option was given, and so override the file.
    default = None if from_file else inspect.Parameter.empty if field.is_required() else text or None
    option = typer.Option(
        *names, help=field.description, show_default=(text or False) if from_file else bool(text) and kind is not bool
    )
    annotation = kind if kind is bool or default is inspect.Parameter.empty else kind | None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=field.default if kind is bool else default,
        annotation=Annotated[annotation, option],
    )


def _build(model: type[Options], values: Mapping[str, Any], files: Mapping[str, str]) -> Options:
    content: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        nested = _nested(field)
        if nested is None:
            content |= {} if values[name] is None else {name: values[name]}
            continue
        path = values.get(files.get(name, ""))
        content[name] = {} if path is None else _read(Path(path), nested)
        content[name] |= {inner: values[inner] for inner in nested.model_fields if values[inner] is not None}
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise typer.BadParameter(_in_words(error, values)) from error


def _read(path: Path, model: type[BaseModel]) -> dict[str, Any]:
    """The values of a YAML file; paths in it are relative to its folder."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"{path} cannot be read as YAML: {next(iter(str(error).splitlines()), '')}"
        raise typer.BadParameter(msg) from error
    if not isinstance(content, dict):
        msg = f"{path} must hold a name and a value on each line, such as `size: 224`"
        raise typer.BadParameter(msg)
    return {
        str(name): path.parent / str(value)
        if value is not None
        and name in model.model_fields
        and _option_type(model.model_fields[name].annotation) is Path
        else value
        for name, value in content.items()
    }


def _in_words(error: ValidationError, values: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    names = [part for part in first["loc"] if isinstance(part, str)]
    if names and names[-1] in values:
        return f"--{names[-1].replace('_', '-')}: {message}"
    return message if not names or first["type"] == "value_error" else f"{names[-1]}: {message}"


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _option_type(annotation: Any) -> type:
    """The type that typer parses; everything but numbers, paths and flags stays text, which the model validates."""
    if get_origin(annotation) is Annotated:
        return _option_type(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
        return _option_type(annotation)
    return annotation if annotation in {bool, int, float, Path} else str


def _in_text(value: Any) -> str:
    if value is None:
        return ""
    return (
        ",".join(map(_in_text, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
