"""The command `python -m trainer report RUN`."""

from pathlib import Path
from typing import Annotated

import typer

from trainer.folder import RunFolder


def report_command(run: Annotated[Path, typer.Argument(help="Folder of a run whose training has ended.")]) -> None:
    """Write report.html into the folder of a run: one file that needs no other."""
    from trainer.report.document import write_report

    typer.echo(write_report(RunFolder(run)))
