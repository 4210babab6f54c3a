"""The command line of the trainer: `python -m trainer train --data DIR --arch NAME|all --out runs/ID`."""

import os

# Before torch is imported: OpenMP reads it once. Threads that spin while they wait for one another take the cores from those that augment films, and from
# other processes: measured on two busy cores, 10 films/s become 1 to 5.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from schemas.errors import CxrError, TrainingConfigError
from trainer.config import RunConfig, expand, make_config, read_options
from trainer.explore.command import data_command
from trainer.heat_maps.explain import EXPLANATIONS, REPORT, write_explanations
from trainer.learning.allocator import keep_freed_memory
from trainer.learning.preview import preview_command
from trainer.networks.weights import HUB, NONE
from trainer.report.command import report_command
from trainer.report.document import write_report
from trainer.runs.leaderboard import Leaderboard
from trainer.runs.progress_table import TrialTable, results
from trainer.runs.run import train
from trainer.trials.refit_gate import refit_command
from trainer.trials.trial_spec import plans

_LOG_COLUMNS = 120  # a table in a log file or a pipe
_INTERRUPTED = 130  # as a shell counts it

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def trainer() -> None:
    """Train chest X-ray classifiers and choose among them honestly."""


def train_command(  # noqa: PLR0913, PLR0917 - typer: one argument for each option
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on when started again.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of films, a MedMNIST .npz, or a .csv; see docs/data.md.")
    ] = None,
    arch: Annotated[
        list[str] | None,
        typer.Option("--arch", "--archs", help="Rows of the architecture table, timm:NAME, or all: A,B or repeated."),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="hub, none or FILE for every architecture, or NAME=hub|none|FILE for one.")
    ] = None,
    seed: Annotated[
        list[str] | None, typer.Option("--seed", "--seeds", help="One trial each: 0,1,2 or repeated.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Default: the architecture's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Default: the architecture's.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate; default: the architecture's.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the network's input; default: the architecture's.")] = None,
    augment: Annotated[str | None, typer.Option(help="Name of an augmentation recipe.")] = None,
    films: Annotated[int | None, typer.Option(help="Train on a sample of so many films.")] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validate by patient, one trial for each fold.")] = None,
    search: Annotated[str | None, typer.Option(help="random or asha: search settings first.")] = None,
    search_trials: Annotated[int | None, typer.Option(help="Settings tried for each architecture.")] = None,
    on_duplicates: Annotated[str | None, typer.Option(help="stop or drop: copies of a film in two splits.")] = None,
    skip_unreadable: Annotated[bool, typer.Option(help="Leave out files that cannot be read.")] = False,  # noqa: FBT002
    retry_failed: Annotated[bool, typer.Option(help="Train trials again that failed before.")] = False,  # noqa: FBT002
    config: Annotated[Path | None, typer.Option(help="YAML file of options; those given here win.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE for any field of the config, e.g. ema_decay=0.999.")
    ] = None,
) -> None:
    """Train, calibrate and rank networks on validation films, then open the test set once and write the report."""
    given = {
        "data": None if data is None else str(data),
        "archs": _listed(arch),
        "seeds": _listed(seed),
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "size": size,
        "augment": augment,
        "films": films,
        "folds": folds,
        "search": _search(search, search_trials),
        "on_duplicates": on_duplicates,
        "skip_unreadable": skip_unreadable or None,
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
    command = shlex.join(["python", "-m", "trainer", *sys.argv[1:]])
    progress = Progress(*columns, console=console)
    table = TrialTable(plans(run_config))
    try:
        with Live(Group(table, progress), console=console, transient=True) if console.is_terminal else nullcontext():
            board = train(run_config, out, command=command, progress=progress, table=table, retry_failed=retry_failed)
    except KeyboardInterrupt as error:
        console.print(f"stopped; start the same command again and {out} goes on where it was")
        raise typer.Exit(_INTERRUPTED) from error
    console.print(results(board, out))
    conclude(out, board, run_config, console)


app.command("train")(train_command)
app.command("data")(data_command)
app.command("sweep", help="The same as train, under the name that many architectures and seeds deserve.")(train_command)
app.command("report")(report_command)
app.command("preview")(preview_command)
app.command("refit")(refit_command)


def conclude(run: Path, board: Leaderboard, config: RunConfig, console: Console) -> None:
    """Explain the best trials and write the report; the run's results are on disk whatever happens here."""
    for row in board.rows[: config.explain]:
        if row.kind == "trial" and not (run / EXPLANATIONS / row.trial / REPORT).exists():
            try:
                write_explanations(run, row.trial)
            except CxrError as error:
                console.print(f"{row.trial} is not explained: {error}", markup=False)
    console.print(f"report: {write_report(run)}", soft_wrap=True)


def _listed(given: list[str] | None) -> list[str] | None:
    """A,B and C as A, B, C."""
    return None if given is None else [part for text in given for part in text.split(",") if part]


def _search(method: str | None, trials: int | None) -> dict[str, Any] | None:
    if method is None and trials is not None:
        msg = f"--search-trials {trials} searches nothing by itself; say how: --search random or --search asha"
        raise TrainingConfigError(msg)
    return None if method is None else {"method": method} | ({} if trials is None else {"trials": trials})


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
