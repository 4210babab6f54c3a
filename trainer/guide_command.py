"""The command `python -m trainer guide`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from schemas.errors import TrainingConfigError
from schemas.model.guide import GuideRecord

if TYPE_CHECKING:
    from trainer.guide.options import GuideOptions


_Accept = Annotated[
    list[str] | None, typer.Option(help="TRAIT=VALUE[,VALUE] of the films that a network behind it shall answer.")
]
_MadeUp = Annotated[str | None, typer.Option(help="TRAIT=VALUE of pictures that are no films; they are made.")]
_Shows = Annotated[str, typer.Option(help="What a network behind it sees: lungs, or box: heart and diaphragm, too.")]
_Trained = Annotated[
    Path | None, typer.Option(help="Take the weights of this guide, and choose cut-offs alone for --accept.")
]
_Passed = Annotated[
    float, typer.Option(help="Share of accepted validation films that pass each trait; it decides the cut-offs.")
]


def guide_command(  # noqa: PLR0913, PLR0917 - the flags of a command
    table: Annotated[
        Path, typer.Option(help="CSV: path,split[,patient][,mask][,oriented] and a column for each trait.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the guide; an interrupted training goes on there.")],
    accept: _Accept = None,
    made_up: _MadeUp = None,
    shows: _Shows = "lungs",
    trained: _Trained = None,
    weights: Annotated[str, typer.Option(help="First weights of the encoder: none or FILE.")] = "none",
    epochs: Annotated[int, typer.Option(help="Number of epochs.")] = 8,
    films_per_epoch: Annotated[int, typer.Option(help="Films that are drawn for an epoch.")] = 4000,
    passed: _Passed = 0.985,
    seed: Annotated[int, typer.Option(help="Of weights, order and variations.")] = 0,
) -> None:
    """Train the guide: it finds the lungs on a film and says what kind of film it is; see docs/guide.md."""
    from rich.console import Console

    from trainer.guide.folder import GuideFolder
    from trainer.guide.train import train_guide
    from trainer.runs.console import ConsoleReporter

    options = _options(
        table=str(table),
        accepted={name: tuple(values.split(",")) for name, values in map(_pair, accept or ())},
        made_up=_pair(made_up) if made_up else None,
        shows=shows,
        trained=None if trained is None else str(trained),
        weights=weights,
        epochs=epochs,
        films_per_epoch=films_per_epoch,
        passed=passed,
        seed=seed,
    )
    console = Console()
    reporter = ConsoleReporter(console, [])
    with reporter.live():
        record = train_guide(options, GuideFolder(out), reporter)
    console.print(*_figures(record), sep="\n", soft_wrap=True)


def _options(**fields: Any) -> "GuideOptions":
    from trainer.guide.options import GuideOptions

    try:
        return GuideOptions(**fields)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        msg = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise TrainingConfigError(msg) from error


def _figures(record: GuideRecord) -> Iterator[str]:
    yield record.data
    yield f"Dice of the lungs: {record.dice or 'not measured'}"
    for trait in record.traits:
        refused = "".join(f"; {value} not passed: {share}" for value, share in trait.refused.items())
        yield f"{trait.name}: {' or '.join(trait.accepted)} passed: {trait.passed}{refused}"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        msg = f"{text} is not TRAIT=VALUE"
        raise TrainingConfigError(msg)
    return name, value
