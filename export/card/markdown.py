"""Markdown by jinja2 templates: every value is escaped for the cells of a table, where a bar would end the cell."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


class Markdown(str):
    """A text that is Markdown already and keeps its bars."""

    __slots__ = ()


def render_markdown(template: str, values: Mapping[str, object]) -> str:
    """A document of `export/card/templates`.

    Args:
        template: the name of the file.
        values: by the names that the template uses.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is missing.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - Markdown for readers of files; HTML is not made of it here
        loader=PackageLoader("export.card"),
        finalize=_escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "cells": _cells,
        "number": format,
        "number_or": _number_or,
        "one_line": _one_line,
        "utc": _utc,
    }
    return environment


def _escaped(value: object) -> str:
    return value if isinstance(value, Markdown) else str(value).replace("|", r"\|")


def _cells(row: Iterable[object]) -> Markdown:
    return Markdown(f"| {' | '.join(map(_escaped, row))} |")


def _number_or(value: float | None, form: str, otherwise: str) -> str:
    return otherwise if value is None else format(value, form)


def _one_line(text: str) -> Markdown:
    """A paragraph of the template, whose line ends are not those of the card."""
    return Markdown(" ".join(text.split()) + "\n")


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def without_title(text: str) -> str:
    """A Markdown text as a part of another: without a heading in its first line."""
    first, _, rest = text.lstrip().partition("\n")
    return (rest if first.startswith("# ") else text).strip()
