"""The command `python -m trainer data DIR`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

_LOG_COLUMNS = 120  # a table in a log file or a pipe


def data_command(  # noqa: PLR0913, PLR0917 - typer: one argument for each option
    data: Annotated[Path, typer.Argument(help="Folder of films, a MedMNIST .npz, or a .csv or .tsv.")],
    out: Annotated[Path | None, typer.Option(help="Default: runs/data-NAME/report.html.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder for decoded films.")] = Path(".cache/films"),
    patients: Annotated[str | None, typer.Option(help="As of the command train.")] = None,
    negative_class: Annotated[str | None, typer.Option(help="As of the command train.")] = None,
    findings: Annotated[str | None, typer.Option(help="As of the command train: A,B.")] = None,
    side: Annotated[int, typer.Option(min=32, max=512, help="Side of the films shown, pixels.")] = 128,
    shown: Annotated[int, typer.Option(min=1, max=60, help="Films of each class shown.")] = 18,
    seed: Annotated[int, typer.Option(help="Which films are shown.")] = 0,
) -> None:
    """Describe films before training; write an HTML file and the same as JSON."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from trainer.config import data_options
    from trainer.explore.document import write_data_report
    from trainer.explore.terminal import print_data_report
    from trainer.films.sources.find import index_films

    target = out or Path("runs") / f"data-{data.resolve().name}" / "report.html"
    console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading")

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        named = tuple(filter(None, (findings or "").split(",")))
        found = {"patients": patients, "negative_class": negative_class, "findings": named}
        index = index_films(data_options(path=str(data), cache=str(cache), skip_unreadable=True, **found), show)
        progress.update(task, description="describing", completed=0)
        report = write_data_report(
            index, target, data=str(data), cache=cache, side=side, shown=shown, seed=seed, progress=show
        )
    print_data_report(console, report)
    console.print(f"report: {target}", soft_wrap=True, markup=False)
