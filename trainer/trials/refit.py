"""The gate against unfamiliar images, and what the network looks at, measured again for a network that is trained."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bundle.files import write_arrays
from schemas.model.trial import TrialRecord
from trainer.config import read_config
from trainer.films.task import Task
from trainer.folder import PARTS, TrialFolder
from trainer.judging.gate import films_unfamiliarity, fit_gate, gate_inputs
from trainer.judging.logits import LabelledLogits
from trainer.judging.outputs import SavedOutputs
from trainer.judging.shifts import NONE, shift_outputs
from trainer.judging.validation import judge
from trainer.looking.answers import network_reader
from trainer.looking.validation import look_at_validation
from trainer.trials.record import write_answers, write_trial
from trainer.trials.trial import TrainedTrial, load_trial


def refit_gate(folder: TrialFolder) -> dict[str, float] | None:
    """Fit the gate to a trial's training films, and set the cut-offs by its validation films.

    Nothing else of the trial changes but which validation films the gate refuses. The old arrays go first and the new
    ones come last: a refit that is killed leaves cut-offs without arrays, which `load_trial` refuses, never with those
    of another gate.

    Returns:
        The cut-off of each class; None where the films do not differ.

    Raises:
        CxrError: see `load_trial`; or the films are gone.
    """
    trial = load_trial(folder, with_statistics=False)
    train, validation = (gate_inputs(trial.network, trial.films(split))[1] for split in ("train", "val"))
    gate = fit_gate(train, validation, Task.of(trial.record).groups)
    distribution, arrays = (None, None) if gate is None else gate
    folder.statistics.unlink(missing_ok=True)
    calibration = trial.record.calibration.model_copy(update={"out_of_distribution": distribution})
    record = trial.record.model_copy(update={"calibration": calibration})
    _answer_again(trial, record, None if gate is None else films_unfamiliarity(*gate, validation))
    write_trial(folder, record)
    if arrays is not None:
        write_arrays(folder.statistics, arrays)
    return None if distribution is None else distribution.cutoffs


def look_again(folder: TrialFolder) -> bool:
    """Measure anew what a trial's network looks at on its validation films; nothing else of the trial changes.

    Returns:
        Whether any of the films has a mask or a box.

    Raises:
        CxrError: see `load_trial` and `look_at_validation`; or the films are gone.
    """
    trial = load_trial(folder)
    reader = network_reader(trial.network, trial.record, trial.statistics)
    films = trial.dataset.films("val", trial.record.fold)
    judge = read_config(folder.run).judge
    looking = look_at_validation(reader, trial.record, films, trial.films("val"), judge)
    write_trial(folder, trial.record.model_copy(update={"looking": looking}))
    return looking is not None


def judge_shifts(folder: TrialFolder) -> int:
    """Judge a trial's validation films as other sites would have sent them, where its run left that out.

    The test films stay closed, and nothing that was decided changes: the rows and the mean over the shifts are added to
    the figures of validation.

    Returns:
        The number of shifts.

    Raises:
        CxrError: see `load_trial`; or the films are gone.
    """
    trial = load_trial(folder)
    record, films = trial.record, trial.dataset.films("val", trial.record.fold)
    prepared = trial.films("val")
    shifted = shift_outputs(trial.network, prepared.films)
    outputs = LabelledLogits.of("validation", films, prepared.labels, shifted[NONE], shifted)
    judged = judge(outputs, Task.of(record), record.calibration)
    added = {"shifts": judged.shifts, "corruption": judged.corruption}
    write_trial(folder, record.model_copy(update={"validation": record.validation.model_copy(update=added)}))
    return len(shifted) - 1


def _answer_again(trial: TrainedTrial, record: TrialRecord, unfamiliarity: NDArray[np.float64] | None) -> None:
    """Write the answers by the new gate; the test films, which are not looked at again, count as not checked."""
    films = {"validation": trial.dataset.films("val", record.fold), "test": trial.dataset.split.of("test")}
    for part in PARTS:
        if trial.folder.outputs(part).exists():
            saved = SavedOutputs.read(trial.folder.outputs(part))
            checked = replace(saved, unfamiliarity=unfamiliarity if part == "validation" else None)
            write_answers(trial.folder, record, part, checked, films[part])
