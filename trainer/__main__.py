"""The command line of the trainer: `python -m trainer train --data DIR --arch NAME|all --out runs/ID`."""

import os

# Before torch is imported: OpenMP reads it once. Threads that spin while they wait for one another take the cores from those that augment films, and from
# other processes: measured on two busy cores, 10 films/s become 1 to 5.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from schemas.errors import CxrError, TrainingConfigError
from trainer.allocator import keep_freed_memory
from trainer.config import expand, make_config, read_options
from trainer.leaderboard import Leaderboard
from trainer.run import train
from trainer.trial import TRIALS, read_trial
from trainer.weights import HUB, NONE

_LOG_COLUMNS = 120  # a table in a log file or a pipe

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def trainer() -> None:
    """Train chest X-ray classifiers and choose among them honestly."""


@app.command("train")
def train_command(  # noqa: PLR0913, PLR0917 - typer: one argument for each option
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on when started again.")],
    data: Annotated[Path | None, typer.Option(help="Folder of films: train|val|test/<class>/, or <class>/.")] = None,
    arch: Annotated[list[str] | None, typer.Option(help="Row of the architecture table, timm:NAME, or all.")] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="hub, none or FILE for every architecture, or NAME=hub|none|FILE for one.")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="May be repeated: one trial each.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Default: the architecture's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Default: the architecture's.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate; default: the architecture's.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the network's input; default: the architecture's.")] = None,
    augment: Annotated[str | None, typer.Option(help="Name of an augmentation recipe.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of options; those given here win.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE for any field of the config, e.g. ema_decay=0.999.")
    ] = None,
) -> None:
    """Train, calibrate and rank networks on validation films, then open the test set once."""
    given = {
        "data": None if data is None else str(data),
        "archs": arch,
        "seeds": seed,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "size": size,
        "augment": augment,
    }
    options = read_options(config) if config else {}
    options |= {name: value for name, value in given.items() if value is not None}
    options |= dict(_field(text) for text in option or ())
    options = expand(options)
    if weights:
        options["weights"] = _weights(weights, options.get("archs", ()))
    run_config = make_config(options)
    console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        command = shlex.join(["python", "-m", "trainer", *sys.argv[1:]])
        board = train(run_config, out, command=command, progress=progress)
    console.print(_table(board, out))


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


def _weights(given: list[str], archs: Sequence[str]) -> dict[str, str]:
    """Sources by architecture: NAME=SOURCE for one, SOURCE for all."""
    sources: dict[str, str] = {}
    for text in given:
        name, equals, source = text.partition("=")
        if equals:
            sources[name] = source
        elif text in {NONE, HUB} or len(archs) == 1:
            sources |= dict.fromkeys(archs, text)
        else:
            msg = f"--weights {text} fits one architecture, not {len(archs)}; say which: --weights NAME={text}"
            raise TrainingConfigError(msg)
    return sources


def _table(board: Leaderboard, run: Path) -> Table:
    table = Table(title=f"{run}: chosen on validation, best first", title_justify="left")
    for column in ("trial", "parameters", "minutes", "epochs", "AUROC validation", "AUROC test"):
        table.add_column(column, justify="left" if column == "trial" else "right", overflow="fold")
    for row in board.rows:
        record = read_trial(run / TRIALS / row.trial)
        table.add_row(
            row.trial,
            f"{row.parameters:,}",
            f"{row.training_seconds / 60:.1f}",
            f"{record.best_epoch + 1} of {record.epochs}",
            str(row.validation_auroc),
            str(record.test.auroc) if record.test else "-",
        )
    return table


def main() -> None:
    """Run a command; a failure that a user can mend is one line and exit status 2."""
    keep_freed_memory()
    try:
        app()
    except CxrError as error:
        Console(stderr=True).print(f"[bold red]error[/] ({error.code}): {escape(str(error))}", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
