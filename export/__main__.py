"""The command line of the exporter: `bundle`, `adopt`, `verify`, `keygen` and `sign`."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from export.adopt import ForeignNetwork
from export.adopt import adopt as adopt_network
from export.card.markdown import without_title
from export.export import write_bundle
from export.gates.parity import ParityReport
from export.gates.precision import PRECISIONS
from export.graph.foreign import Wiring
from export.publish import verify_bundle
from export.sign import make_key, sign_bundle
from schemas.errors import BundleError, CxrError
from schemas.precision import PrecisionRecord, ReducedPrecision
from schemas.preprocess import PreprocessSpec
from schemas.torch_network import TorchNetwork
from trainer.folder import RunFolder, TrialFolder
from trainer.judging.options import JudgeOptions
from trainer.runs.leaderboard import read_leaderboard
from trainer.trials.trial import TrainedTrial, load_trial

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Trained networks to ONNX bundles."
)
console = Console()

_TRAINING = JudgeOptions.model_fields  # what is not said is decided as in training


@app.command()
def bundle(  # noqa: PLR0913 - one argument for each option
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    version: Annotated[str, typer.Option(help="Version of the bundle; must be new.")],
    trial: Annotated[Path | None, typer.Option(help="Folder of the trial, runs/ID/trials/NAME.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of a run instead, runs/ID: its winner is taken.")] = None,
    out: Annotated[Path, typer.Option(help="Models directory.")] = Path("models"),
    *,
    precisions: Annotated[
        str, typer.Option(help="Reduced precisions to try, each kept if it changes next to nothing; or `none`.")
    ] = ",".join(PRECISIONS),
    make_current: Annotated[bool, typer.Option("--make-current", help="Let the service serve it.")] = False,
    about: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Markdown about the films, for the card: source, licence, population."
        ),
    ] = None,
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Add the weights for CXR_EXPLAIN_BACKEND=torch; twice the size.")
    ] = False,
) -> None:
    """Export a trained network, prove it and publish it."""
    folder = _trial_folder(trial, run)
    tried = _precisions(precisions)
    loaded = load_trial(folder)
    _refuse_lungs(loaded)
    with console.status(f"exporting {loaded.record.architecture}"):
        directory = write_bundle(
            loaded,
            name=name,
            version=version,
            out=out,
            make_current=make_current,
            with_weights=with_weights,
            about_films=None if about is None else without_title(about.read_text(encoding="utf-8")),
            precisions=tried,
            on_parity=_print_parity,
            on_precision=_print_precision,
        )
    _print_bundle(directory)


@app.command()
def adopt(  # noqa: PLR0913, PLR0917 - one argument for each option
    onnx: Annotated[Path, typer.Option(help="Somebody's own graph: one input [N, C, S, S], logits [N, K] inside.")],
    classes: Annotated[str, typer.Option(help="Names of the K logits in their order, separated by commas.")],
    size: Annotated[int, typer.Option(help="S, the side of its films.")],
    films: Annotated[
        Path, typer.Option(help="Labelled films: val/<class>/ (or <class>/) decides, test/<class>/ judges.")
    ],
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    version: Annotated[str, typer.Option(help="Version of the bundle; must be new.")],
    negative_class: Annotated[str | None, typer.Option(help="The class that means none of the others.")] = None,
    logits: Annotated[str | None, typer.Option(help="Tensor before any softmax; default: the only output.")] = None,
    mean: Annotated[str, typer.Option(help="Of each channel C, subtracted from films in [0, 1].")] = "0",
    std: Annotated[str, typer.Option(help="Of each channel C, divides after that.")] = "1",
    resize: Annotated[str, typer.Option(help="squash or pad.")] = "squash",
    intensity: Annotated[str, typer.Option(help="full_range or percentile.")] = "full_range",
    timm: Annotated[str | None, typer.Option(help="Its name in timm, for heat maps by torch; with --weights.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Its weights, a safetensors file of timm's names.")] = None,
    cam_layer: Annotated[
        str | None, typer.Option(help="Layer to explain; default: what forward_features gives.")
    ] = None,
    target_sensitivity: Annotated[float, typer.Option(help="Sensitivity that an operating point reaches.")] = (
        _TRAINING["target_sensitivity"].default
    ),
    alpha: Annotated[float, typer.Option(help="Share of films whose conformal set may miss their class.")] = (
        _TRAINING["alpha"].default
    ),
    cache: Annotated[Path, typer.Option(help="Where prepared films are kept.")] = Path(".cache/films"),
    out: Annotated[Path, typer.Option(help="Models directory.")] = Path("models"),
    *,
    make_current: Annotated[bool, typer.Option("--make-current", help="Let the service serve it.")] = False,
) -> None:
    """Make a bundle of a network that was trained elsewhere: wired, calibrated on labelled films, and published."""
    channels = {"mean": _numbers("mean", mean), "std": _numbers("std", std)}
    described = None
    if (timm is None) != (weights is None):
        msg = "--timm and --weights belong together: how the network is built, and what stands in it"
        raise typer.BadParameter(msg)
    try:
        spec = PreprocessSpec.model_validate({"size": size, "resize": resize, "intensity": intensity})
        if timm is not None:
            described = TorchNetwork.model_validate({"timm_name": timm, "cam_layer": cam_layer, **channels})
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"--{str(first['loc'][0]).removesuffix('_name').replace('_', '-')}: {first['msg']}"
        raise typer.BadParameter(msg) from error
    network = ForeignNetwork(
        graph=onnx,
        classes=tuple(classes.split(",")),
        negative_class=negative_class,
        preprocess=spec,
        wiring=Wiring(logits, **channels),
        torch=described,
        weights=weights,
    )
    with console.status(f"adopting {onnx.name}"):
        directory = adopt_network(
            network,
            films,
            JudgeOptions(target_sensitivity=target_sensitivity, alpha=alpha),
            cache=cache,
            name=name,
            version=version,
            out=out,
            make_current=make_current,
            command=shlex.join(["python", "-m", "export", *sys.argv[1:]]),
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


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        msg = f"--{option} {text!r} is not a number, or numbers separated by commas"
        raise typer.BadParameter(msg) from error


def _trial_folder(trial: Path | None, run: Path | None) -> TrialFolder:
    if trial is not None and run is None:
        return TrialFolder(trial)
    if run is not None and trial is None:
        folder = RunFolder(run)
        return folder.trial(read_leaderboard(folder).winner.trial)
    msg = "give either --trial or --run"
    raise typer.BadParameter(msg)


def _precisions(names: str) -> tuple[ReducedPrecision, ...]:
    wanted = {name.strip() for name in names.split(",")} - {"none"}
    if unknown := wanted.difference(PRECISIONS):
        msg = f"{', '.join(sorted(unknown))}: no precision of that name; give some of {', '.join(PRECISIONS)}, or none"
        raise typer.BadParameter(msg)
    return tuple(precision for precision in PRECISIONS if precision in wanted)


def _refuse_lungs(trial: TrainedTrial) -> None:
    """The service has no masks: it would feed whole films to a network that has only ever seen lungs."""
    if trial.dataset.options.masks == "lungs":
        msg = (
            f"{trial.folder.name} was trained with masks=lungs, on films that are black outside the lungs; the service feeds whole "
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


def _print_precision(record: PrecisionRecord) -> None:
    verdict = "kept" if record.refused is None else f"refused: {record.refused}"
    console.print(f"{record.precision} {verdict}", soft_wrap=True)
    if (figures := record.figures) is not None:
        console.print(
            f"  AUROC {figures.auroc_difference:+.4f}, same label {figures.label_agreement:.2%}, "
            f"{figures.ms_per_film:.1f} ms a film (fp32 {figures.ms_per_film_fp32:.1f}), "
            f"{figures.size_bytes / 1e6:.1f} MB (fp32 {figures.size_bytes_fp32 / 1e6:.1f})",
            soft_wrap=True,
        )


def _print_bundle(directory: Path) -> None:
    checked, differences = verify_bundle(directory)
    size = sum(record.size_bytes for record in checked.manifest.files.values())
    manifest = checked.manifest
    console.print(
        f"{manifest.name}/{manifest.version}: {manifest.architecture}, {len(manifest.files) + 1} files, {size / 1e6:.1f} MB"
    )
    within = ", ".join(f"{difference:.1e} ({precision})" for precision, difference in differences.items())
    console.print(f"hashes right, golden films within {within}")
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
