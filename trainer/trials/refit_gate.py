"""The gate against unfamiliar images, fitted again for a network that is trained already."""

from bundle.files import write_arrays
from trainer.folder import TrialFolder
from trainer.judging.gate import fit_gate, gate_inputs
from trainer.trials.record import write_trial
from trainer.trials.trial import load_trial


def refit_gate(folder: TrialFolder) -> dict[str, float] | None:
    """Fit the gate to a trial's training films, and set the cut-offs by its validation films.

    Nothing else of the trial changes. The old arrays go first and the new ones come last: a refit that is killed leaves
    cut-offs without arrays, which `load_trial` refuses, never with those of another gate.

    Returns:
        The cut-off of each class; None where the films do not differ.

    Raises:
        CxrError: gate_inputs `load_trial`; or the films are gone.
    """
    trial = load_trial(folder, with_statistics=False)
    train, validation = (gate_inputs(trial.network, trial.films(split))[1] for split in ("train", "val"))
    gate = fit_gate(train, validation, trial.record.classes)
    distribution, arrays = (None, None) if gate is None else gate
    folder.statistics.unlink(missing_ok=True)
    calibration = trial.record.calibration.model_copy(update={"out_of_distribution": distribution})
    write_trial(folder, trial.record.model_copy(update={"calibration": calibration}))
    if arrays is not None:
        write_arrays(folder.statistics, arrays)
    return None if distribution is None else distribution.cutoffs
