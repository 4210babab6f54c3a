"""The command line of the exporter: `bundle`, `adopt`, `verify`, `keygen`, `sign`, `push` and `pull`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from pydantic import BaseModel, BeforeValidator, Field, FilePath, field_validator, model_validator

from export.description import NetworkDescription
from export.gates.limits import LEAST_AUROC
from export.options import options_of
from export.place import Place
from export.population import PopulationOptions
from export.store_command import pull, push
from schemas.errors import BundleError, CxrError
from schemas.model.precision import PRECISIONS, ReducedPrecision
from schemas.version import VERSION
from trainer.films.options import DataOptions, a_column_or_expression
from trainer.folder import RunFolder, TrialFolder
from trainer.judging.options import JudgeOptions

if TYPE_CHECKING:
    from trainer.trials.trial import TrainedTrial

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_TRAINING = JudgeOptions.model_fields  # `adopt` decides as training does, unless the caller says otherwise


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer's callback of a switch
    if asked:
        typer.echo(f"cxr-classifier {VERSION}")
        raise typer.Exit


@app.callback()
def export(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Trained networks to ONNX bundles."""


def _precisions(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    chosen = {name.strip() for name in value.split(",")} - {"none"}
    if unknown := chosen.difference(PRECISIONS):
        msg = f"{', '.join(sorted(unknown))}: unknown precision; give some of {', '.join(PRECISIONS)}, or none"
        raise ValueError(msg)
    return tuple(precision for precision in PRECISIONS if precision in chosen)


class BundleOptions(BaseModel):
    """Options of `bundle`."""

    place: Place
    trial: Path | None = Field(default=None, description="Folder of the trial, runs/ID/trials/NAME.")
    run: Path | None = Field(default=None, description="Folder of a run instead, runs/ID: its winner is exported.")
    intended: PopulationOptions
    precisions: Annotated[tuple[ReducedPrecision, ...], BeforeValidator(_precisions)] = Field(
        default=PRECISIONS, description="Reduced precisions to try, each kept if it changes next to nothing; or `none`."
    )
    about: FilePath | None = Field(
        default=None, description="Markdown about the films, for the card: source, licence, population."
    )
    with_weights: bool = Field(
        default=False, description="Add the weights for CXR_EXPLAIN_BACKEND=torch; doubles the size."
    )
    finer_maps: bool = Field(
        default=False,
        description="Add LayerCAM with at least 14 x 14 cells to the graph; every answer takes up to twice as long.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.trial is None) == (self.run is None):
            msg = "give either --trial or --run"
            raise ValueError(msg)
        return self

    def trial_folder(self) -> TrialFolder:
        """The trial that is exported."""
        if self.run is not None:
            from trainer.runs.leaderboard import read_leaderboard

            folder = RunFolder(self.run)
            return folder.trial(read_leaderboard(folder).winner.trial)
        assert self.trial is not None  # noqa: S101 - `_one_source`
        return TrialFolder(self.trial)


class AdoptOptions(BaseModel):
    """Options of `adopt`."""

    onnx: Path = Field(description="The network's graph: films go in, a value for each class comes out.")
    films: Path = Field(description="Labelled films: val/<class>/ (or <class>/) decides, test/<class>/ judges.")
    place: Place
    description: FilePath | None = Field(
        default=None, description="YAML file that describes the network by the names of the following options."
    )
    network: NetworkDescription
    intended: PopulationOptions
    owner_outputs: FilePath | None = Field(
        default=None,
        description="CSV film,probability of the owner's own program for some 20 films: finds what is not stated of "
        "the preprocessing, and checks what is.",
    )
    least_auroc: float = Field(
        default=LEAST_AUROC, gt=0, lt=1, description="Where the 95 % interval of the AUROC has to begin, at least."
    )
    reason: str | None = Field(
        default=None, description="Why a network that the gate refuses is published all the same; it is recorded."
    )
    target_sensitivity: float = Field(
        default=_TRAINING["target_sensitivity"].default, description="Sensitivity that an operating point reaches."
    )
    alpha: float = Field(
        default=_TRAINING["alpha"].default, description="Share of films whose conformal set may miss their class."
    )
    cache: Path = Field(default=Path(".cache/films"), description="Where prepared films are kept.")
    patients: str | None = Field(
        default=None,
        min_length=1,
        description=f"{DataOptions.model_fields['patients'].description}; default: found by names, columns and DICOM.",
    )

    _patients_are_found = field_validator("patients")(a_column_or_expression)

    @model_validator(mode="after")
    def _lower_limit_has_a_reason(self) -> Self:
        if self.least_auroc < LEAST_AUROC and not (self.reason or "").strip():
            msg = f"--least-auroc {self.least_auroc:g} is below {LEAST_AUROC:g}; state why by --reason, it is recorded"
            raise ValueError(msg)
        return self


@app.command()
@options_of(BundleOptions)
def bundle(options: BundleOptions) -> None:
    """Export a trained network, prove it and publish it."""
    from export.card.markdown import without_title
    from export.console import ConsoleReporter, console, print_bundle
    from export.export import ExportOptions, write_bundle
    from trainer.runs.exportable import load_exportable

    trial = load_exportable(options.trial_folder())
    _refuse_lungs(trial)
    population = options.intended.statement(trial.record.population)
    about = None if options.about is None else without_title(options.about.read_text(encoding="utf-8"))
    chosen = ExportOptions(
        precisions=options.precisions,
        with_weights=options.with_weights,
        finer_maps=options.finer_maps,
        about_films=about,
        population=population,
    )
    with console.status(f"exporting {trial.record.architecture}"):
        directory = write_bundle(trial, options.place, chosen, ConsoleReporter())
    print_bundle(directory)


@app.command()
@options_of(AdoptOptions, files={"network": "description"})
def adopt(options: AdoptOptions) -> None:
    """Make a bundle of a network that was trained elsewhere: wire it, calibrate it on labelled films, publish it."""
    from export.adopt.adopt import AdoptionTerms, ForeignNetwork, adopt_network
    from export.adopt.films import FilmFolder
    from export.console import AdoptionConsole, console, print_bundle

    population = options.intended.statement(None)
    with console.status(f"adopting {options.onnx.name}"):
        directory = adopt_network(
            ForeignNetwork(options.onnx, options.network, options.owner_outputs),
            FilmFolder(options.films, options.cache, options.patients),
            AdoptionTerms(
                judge=JudgeOptions(target_sensitivity=options.target_sensitivity, alpha=options.alpha),
                command=shlex.join(["python", "-m", "export", *sys.argv[1:]]),
                least_auroc=options.least_auroc,
                reason=options.reason,
                population=population,
            ),
            options.place,
            AdoptionConsole(),
        )
    print_bundle(directory)


@app.command()
def verify(directory: Annotated[Path, typer.Argument(help="Folder of the bundle.")]) -> None:
    """Check every hash of a bundle and run its golden films."""
    from export.console import print_bundle

    print_bundle(directory)


@app.command()
def keygen(out: Annotated[Path, typer.Argument(help="File of the private key; the public one gets .pub.")]) -> None:
    """Make a key pair to sign bundles with."""
    from bundle.signing import make_key
    from export.console import console

    console.print(f"key {make_key(out)}: keep {out} secret, and give {out}.pub to the service (CXR_TRUSTED_KEYS_FILE)")


@app.command()
def sign(
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    key: Annotated[Path, typer.Option(help="File of the private key.")],
    *,
    openssf: Annotated[bool, typer.Option("--openssf", help="In the format of OpenSSF, by an ECDSA key.")] = False,
) -> None:
    """Check every hash of a bundle and sign its manifest."""
    from export.console import console
    from export.openssf import sign_for_openssf
    from export.sign import sign_bundle

    console.print(f"signed by key {sign_for_openssf(bundle, key) if openssf else sign_bundle(bundle, key)}")


app.command()(push)
app.command()(pull)


def _refuse_lungs(trial: "TrainedTrial") -> None:
    """The service has no masks: it would feed whole films to a network that has only ever seen lungs."""
    if trial.dataset.options.masks == "lungs":
        msg = (
            f"{trial.folder.name} was trained with data.masks=lungs, on films that are black outside the lungs; the "
            "service feeds whole films: train with data.masks=ignore to serve"
        )
        raise BundleError(msg)


def main() -> None:
    """Run the command; a failure that this project raises on purpose is one line and exit code 2."""
    try:
        app()
    except CxrError as error:
        print(f"export: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
