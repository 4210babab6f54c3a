"""The gate against unfamiliar pictures, learnt anew for a network that is trained already."""

from pathlib import Path
from typing import Annotated

import typer

from bundle.files import write_arrays
from schemas.model.manifest import STATISTICS
from trainer.judging.gate import fit_gate
from trainer.networks.inference import see
from trainer.trials.trial import load_trial, write_trial


def refit_gate(directory: Path) -> dict[str, float] | None:
    """Learn from a trial's training films what is usual, and set the cut-offs by its validation films.

    Nothing else of the trial changes. The old arrays go first and the new ones come last: a refit that is killed leaves
    cut-offs without arrays, which `load_trial` refuses, never with those of another gate.

    Returns:
        The cut-off of each class; None where the films do not differ.

    Raises:
        CxrError: see `load_trial`; or the films are gone.
    """
    trial = load_trial(directory, with_statistics=False)
    train, validation = (see(trial.network, trial.films(split))[1] for split in ("train", "val"))
    gate = fit_gate(train, validation, trial.record.classes)
    distribution, arrays = (None, None) if gate is None else gate
    (directory / STATISTICS).unlink(missing_ok=True)
    calibration = trial.record.calibration.model_copy(update={"out_of_distribution": distribution})
    write_trial(directory, trial.record.model_copy(update={"calibration": calibration}))
    if arrays is not None:
        write_arrays(directory / STATISTICS, arrays)
    return None if distribution is None else distribution.cutoffs


def refit_command(trial: Annotated[Path, typer.Argument(help="Folder of the trial, runs/ID/trials/NAME.")]) -> None:
    """Learn anew which pictures are unlike a trial's films; then export it again under a new version."""
    cutoffs = refit_gate(trial)
    said = "not checked" if cutoffs is None else ", ".join(f"{name} {value:.4g}" for name, value in cutoffs.items())
    typer.echo(f"{trial.name}: out-of-distribution cut-offs {said}")
