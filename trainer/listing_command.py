"""The commands `python -m trainer archs` and `recipes`: what a run can be made of, as tables."""

from collections.abc import Iterable, Sequence
from typing import Any

import typer


def archs_command() -> None:
    """List the architectures: size, pretrained weights, input, what each is for."""
    from trainer.networks.architectures import ARCHITECTURES, TIMM_PREFIX
    from trainer.plugins import plugin_names

    head = ("name", "parameters", "hub weights", "licence", "input", "lr", "epochs", "for")
    rows = [
        (
            name,
            _millions(row.parameters),
            row.hub.tag if row.hub else "none",
            row.hub.licence if row.hub else "",
            f"{row.input_size} x {row.input_size}",
            f"{row.recipe.lr:g}",
            str(row.recipe.epochs),
            row.purpose,
        )
        for name, row in ARCHITECTURES.items()
    ]
    rows += [(name, "", "", "", "", "", "", "a plug-in") for name in plugin_names("architecture")]
    _print_table(head, rows)
    typer.echo(
        f"\n{TIMM_PREFIX}NAME selects any other network of timm. --weights hub loads the hub weights; timm states "
        "their licence."
    )


def recipes_command() -> None:
    """List the augmentation recipes: how far each varies a film, of what `--augment NAME` chooses."""
    from trainer.learning.augment import RECIPES, AugmentRecipe
    from trainer.plugins import plugin_names

    fields = AugmentRecipe.model_fields
    for name, recipe in RECIPES.items():
        settings = recipe.model_dump(exclude_defaults=True)
        typer.echo(name if settings else f"{name}\n  films as they are")
        rows = [(f"  {key}", _in_words(value), fields[key].description or "") for key, value in settings.items()]
        _print_table((), rows)
    for name in plugin_names("recipe"):
        typer.echo(f"{name}\n  of a plug-in")


def _millions(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.2f} M"


def _in_words(value: Any) -> str:
    return " to ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns that are as wide as their widest cell; plain text, so that grep and cut can read it."""
    lines = [*([head] if head else []), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
