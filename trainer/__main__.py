"""The command line of the trainer: `python -m trainer train --data DIR --arch NAME|all --out runs/ID`."""

import os

# Before torch is imported: OpenMP reads it once. Threads that spin while they wait for one another take the cores from
# those that augment films, and from other processes: measured on two busy cores, 10 films/s become 1 to 5.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import CxrError, TrainingConfigError
from schemas.version import VERSION
from trainer.config import RunConfig
from trainer.explore.command import data_command
from trainer.explore.preview_command import preview_command
from trainer.films.inspection.names import escaped, require_utf8
from trainer.flags import config_of, flag_values, take_processes, take_sweep, with_flags, with_sweep_flags
from trainer.folder import RunFolder, TrialFolder
from trainer.guide_command import guide_command
from trainer.listing_command import archs_command, recipes_command
from trainer.report.command import report_command
from trainer.sweeps.command import carry_out_sweep, require_fitting, trial_command

_LOG_COLUMNS = 120  # a table in a log file or a pipe
_INTERRUPTED = 130  # as a shell counts it

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer's callback of a switch
    if asked:
        typer.echo(f"cxr-classifier {VERSION}")
        raise typer.Exit


@app.callback()
def trainer(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train chest X-ray classifiers; validation chooses among them, the test set measures the choice once."""


@with_flags
def train_command(
    *,
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on when started again.")],
    weights: Annotated[
        list[str] | None, typer.Option(help="hub, none or FILE for every architecture, or NAME=hub|none|FILE for one.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option(help="Train trials again that failed before.")] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file of options; those given here win.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE for any field of the config, e.g. learn.ema_decay=0.999."),
    ] = None,
    **flags: Any,
) -> None:
    """Train, calibrate and rank networks on validation films, then open the test set once and write the report."""
    if (processes := take_processes(flags)) is not None:
        from trainer.launch import start_together

        start_together(processes)
    run_config = config_of(config, flag_values(flags), option or (), weights or ())

    from trainer.runs.hands import follow, leading
    from trainer.together import joined

    with joined() as together:
        if together.leads:
            with leading(together):
                _carry_out(run_config, RunFolder(out), retry_failed=retry_failed)
        else:
            follow(run_config, RunFolder(out), together)


def sweep_command(**flags: Any) -> None:
    """The same as train, under the usual name for many architectures and seeds; with --on each trial by itself."""
    placement = take_sweep(flags)
    if placement["on"] is None:
        require_fitting(placement)
        train_command(**flags)
        return
    if take_processes(flags) is not None:
        msg = "--devices trains one network in several processes, --on one trial in each; give one of them"
        raise TrainingConfigError(msg)
    out, file, option, weights, retry_failed = (
        flags.pop(name) for name in ("out", "config", "option", "weights", "retry_failed")
    )
    config = config_of(file, flag_values(flags), option or (), weights or ())
    carry_out_sweep(config, RunFolder(out), placement, retry_failed=retry_failed)


def _carry_out(config: RunConfig, folder: RunFolder, *, retry_failed: bool) -> None:
    from rich.console import Console

    from trainer.api import conclude
    from trainer.runs.console import ConsoleReporter
    from trainer.runs.progress_table import results
    from trainer.runs.run import train
    from trainer.trials.trial_spec import trial_specs

    console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
    specs = trial_specs(config.networks, config.data.folds)
    reporter = ConsoleReporter(console, [spec.name for spec in specs])
    command = shlex.join(["python", "-m", "trainer", *sys.argv[1:]])
    try:
        with reporter.live():
            board = train(config, folder, command=command, reporter=reporter, retry_failed=retry_failed)
    except KeyboardInterrupt as error:
        console.print(f"stopped; start the same command again and {folder} goes on where it was")
        raise typer.Exit(_INTERRUPTED) from error
    console.print(results(board, folder))
    conclude(folder, board, config.report, lambda line: console.print(line, soft_wrap=True, markup=False))


def refit_command(
    trial: Annotated[Path, typer.Argument(help="Folder of the trial: runs/ID/trials/NAME.")],
    shifts: Annotated[bool, typer.Option(help="Judge validation films as other sites would send them, too.")] = False,  # noqa: FBT002
) -> None:
    """Fit the gate against unfamiliar images again, and look again at marked films; then export the trial anew."""
    from trainer.trials.refit import judge_shifts, look_again, refit_gate

    cutoffs = refit_gate(TrialFolder(trial))
    look_again(TrialFolder(trial))
    if shifts:
        typer.echo(f"{trial.name}: judged under {judge_shifts(TrialFolder(trial))} shifts")
    words = "not checked" if cutoffs is None else ", ".join(f"{name} {value:.4g}" for name, value in cutoffs.items())
    typer.echo(f"{trial.name}: out-of-distribution cut-offs {words}")


app.command("train")(train_command)
app.command("data")(data_command)
app.command("sweep")(with_sweep_flags(sweep_command, train_command))
app.command("trial")(trial_command)
app.command("report")(report_command)
app.command("preview")(preview_command)
app.command("refit")(refit_command)
app.command("guide")(guide_command)
app.command("archs")(archs_command)
app.command("recipes")(recipes_command)


def main() -> None:
    """Run a command; a failure that the user can remedy is one line and exit status 2."""
    from trainer.allocator import keep_freed_memory

    keep_freed_memory()
    try:
        require_utf8(sys.argv)
        app()
    except CxrError as error:
        from rich.console import Console
        from rich.markup import escape

        text = "\n".join(escape(escaped(line)) for line in str(error).split("\n"))
        Console(stderr=True).print(f"[bold red]error[/] ({error.code}): {text}", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
