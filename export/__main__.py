"""The command line of the exporter: `bundle`, `verify`, `keygen` and `sign`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from export.bundle import write_bundle
from export.parity import ParityReport
from export.publish import verify_bundle
from export.sign import make_key, sign_bundle
from schemas.errors import BundleError, CxrError
from trainer.config import read_config
from trainer.leaderboard import read_leaderboard
from trainer.trial import TRIALS, load_trial

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Trained networks to ONNX bundles."
)
console = Console()


@app.command()
def bundle(  # noqa: PLR0913 - one argument for each option
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    version: Annotated[str, typer.Option(help="Version of the bundle; must be new.")],
    trial: Annotated[Path | None, typer.Option(help="Folder of the trial, runs/ID/trials/NAME.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of a run instead, runs/ID: its winner is taken.")] = None,
    out: Annotated[Path, typer.Option(help="Models directory.")] = Path("models"),
    *,
    make_current: Annotated[bool, typer.Option("--make-current", help="Let the service serve it.")] = False,
) -> None:
    """Export a trained network, prove it and publish it."""
    folder = _trial_folder(trial, run)
    loaded = load_trial(folder)
    _refuse_lungs(folder)
    with console.status(f"exporting {loaded.record.architecture}"):
        directory = write_bundle(
            loaded, name=name, version=version, out=out, make_current=make_current, on_parity=_print_parity
        )
    _print_bundle(directory)


@app.command()
def verify(directory: Annotated[Path, typer.Argument(help="Folder of the bundle.")]) -> None:
    """Check every hash of a bundle and run its golden films."""
    _print_bundle(directory)


@app.command()
def keygen(out: Annotated[Path, typer.Argument(help="File of the private key; the public one gets .pub.")]) -> None:
    """Make a key pair to sign bundles with."""
    console.print(f"key {make_key(out)}: keep {out} secret, and give {out}.pub to the service (CXR_TRUSTED_KEYS_FILE)")


@app.command()
def sign(
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    key: Annotated[Path, typer.Option(help="File of the private key.")],
) -> None:
    """Check every hash of a bundle and sign its manifest."""
    console.print(f"signed by key {sign_bundle(bundle, key)}")


def _trial_folder(trial: Path | None, run: Path | None) -> Path:
    if trial is not None and run is None:
        return trial
    if run is not None and trial is None:
        return run / TRIALS / read_leaderboard(run).winner.trial
    msg = "give either --trial or --run"
    raise typer.BadParameter(msg)


def _refuse_lungs(trial: Path) -> None:
    """The service has no masks: it would feed whole films to a network that has only ever seen lungs."""
    if read_config(trial.parent.parent).masks == "lungs":
        msg = (
            f"{trial.name} was trained with masks=lungs, on films that are black outside the lungs; the service feeds whole "
            "films: train with masks=ignore to serve"
        )
        raise BundleError(msg)


def _print_parity(report: ParityReport) -> None:
    table = Table(title=f"Parity with torch on {report.films:,} films: worst difference")
    sizes = sorted({row.batch for row in report.rows})
    table.add_column("output", no_wrap=True)
    for heading in (*(f"batch {size}" for size in sizes), "accepted"):
        table.add_column(heading, justify="right")
    for output in dict.fromkeys(row.output for row in report.rows):
        rows = {row.batch: row for row in report.rows if row.output == output}
        table.add_row(output, *(f"{rows[size].worst:.1e}" for size in sizes), f"{rows[sizes[0]].tolerance:.1e}")
    console.print(table)
    auroc = "not compared, no labels" if report.auroc is None else "torch {:.6f}, graph {:.6f}".format(*report.auroc)
    console.print(f"labels identical; AUROC {auroc}")


def _print_bundle(directory: Path) -> None:
    checked, difference = verify_bundle(directory)
    size = sum(record.size_bytes for record in checked.manifest.files.values())
    manifest = checked.manifest
    console.print(
        f"{manifest.name}/{manifest.version}: {manifest.architecture}, {len(manifest.files) + 1} files, {size / 1e6:.1f} MB"
    )
    console.print(f"hashes right, golden films within {difference:.1e}")
    console.print(f"sha256 {checked.sha256}", soft_wrap=True)


def main() -> None:
    """Run the command; a failure that this project raises on purpose is one line and exit code 2."""
    try:
        app()
    except CxrError as error:
        print(f"export: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
