"""The commands `sweep --on …` and `trial`."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import TrainingConfigError
from trainer.config import RunConfig
from trainer.folder import RunFolder

_LEFT = 3
_INTERRUPTED = 130  # as a shell counts it
_LOG_COLUMNS = 120  # a table in a log file or a pipe
_BELONGS: Mapping[str, tuple[str, ...]] = {
    "address": ("ray",),
    "jobs": ("local", "slurm"),
    "storage": ("local", "ray", "slurm"),
    "submit": ("slurm",),
    "sbatch": ("slurm",),
}


def carry_out_sweep(config: RunConfig, folder: RunFolder, placement: Mapping[str, Any], *, retry_failed: bool) -> None:
    """Run a sweep where the options say, and print its results; exit status 3 where trials are left.

    Args:
        config: of the run.
        folder: of the run.
        placement: the options of sweeps by name, see `trainer.flags`.
        retry_failed: train the trials again that failed before.
    """
    from rich.console import Console

    from trainer.api import conclude
    from trainer.runs.console import ConsoleReporter
    from trainer.runs.progress_table import results
    from trainer.sweeps.storage import open_storage
    from trainer.sweeps.sweep import Sweep, sweep
    from trainer.sweeps.sweep_trial import Share
    from trainer.trials.trial_spec import trial_specs

    console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
    share = Share(cpus=placement["cpus"], gpus=placement["gpus"])
    command = shlex.join(["python", "-m", "trainer", *sys.argv[1:]])
    storage = placement["storage"]
    sweeping = Sweep(config, folder, open_storage(storage), storage, share, command)
    reporter = ConsoleReporter(console, [spec.name for spec in trial_specs(config.networks, config.data.folds)])
    try:
        with reporter.live():
            board = sweep(sweeping, executor_of(placement), reporter, retry_failed=retry_failed)
    except KeyboardInterrupt as error:
        console.print(f"stopped; start the same command again and {folder} goes on where it was")
        raise typer.Exit(_INTERRUPTED) from error
    if board is None:
        console.print(f"trials are left; start the same command again and {folder} goes on where it was")
        raise typer.Exit(_LEFT)
    console.print(results(board, folder))
    conclude(folder, board, config.report, lambda line: console.print(line, soft_wrap=True, markup=False))


def executor_of(placement: Mapping[str, Any]) -> Any:
    """What runs the trials, by the options of sweeps.

    Raises:
        TrainingConfigError: an option belongs to another executor.
    """
    from trainer.sweeps.local import LocalExecutor
    from trainer.sweeps.ray_cluster import RayExecutor
    from trainer.sweeps.slurm import SlurmExecutor

    require_fitting(placement)
    on = placement["on"]
    if on == "ray":
        return RayExecutor(placement["address"], placement["retries"])
    if on == "slurm":
        return SlurmExecutor(placement["jobs"], tuple(placement["sbatch"] or ()), placement["submit"])
    return LocalExecutor(placement["jobs"] or 1, placement["retries"])


def require_fitting(placement: Mapping[str, Any]) -> None:
    """Check that each option of sweeps belongs to the executor that was chosen.

    Raises:
        TrainingConfigError: one does not.
    """
    for option, executors in _BELONGS.items():
        if placement[option] and placement["on"] not in executors:
            msg = f"--{option} belongs to --on {' or '.join(executors)}; give that, or leave --{option} out"
            raise TrainingConfigError(msg)


def trial_command(
    run: Annotated[Path, typer.Argument(help="Folder of the run that a sweep has begun.")],
    name: Annotated[str, typer.Argument(help="Name of the trial: ARCHITECTURE-seedN, or …-seedN-foldN.")],
    storage: Annotated[str | None, typer.Option(help="The --storage of the sweep.")] = None,
    *,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Train one trial of a sweep that has begun; started again it goes on where it was. Exit status 3: it failed."""
    from trainer.sweeps.process import FAILED, LOST, end_with_parent

    if with_parent:
        end_with_parent()
    from rich.console import Console

    from trainer.runs.console import ConsoleReporter
    from trainer.sweeps.run_trial import run_trial
    from trainer.sweeps.storage import StorageError, open_storage

    reporter = ConsoleReporter(Console(width=_LOG_COLUMNS), [name])
    command = shlex.join(["python", "-m", "trainer", *(text for text in sys.argv[1:] if text != "--with-parent")])
    try:
        failure = run_trial(RunFolder(run), name, open_storage(storage), reporter, command=command)
    except StorageError as error:
        reporter.message(f"{name}: {error}")
        raise typer.Exit(LOST) from error
    if failure is not None:
        raise typer.Exit(FAILED)
