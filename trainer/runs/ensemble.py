"""Means of trials, as rows of the leaderboard: what several networks together bring."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.model.calibration import Calibration
from schemas.model.decision import calibrated
from schemas.model.evaluation import Evaluation
from schemas.model.provenance import Provenance
from schemas.model.trial import TrialRecord
from schemas.model.uncertainty import Uncertainty
from trainer.films.film import Film
from trainer.films.task import Task
from trainer.folder import Part, RunFolder, TrialFolder
from trainer.judging.logits import LabelledLogits
from trainer.judging.outputs import SavedOutputs
from trainer.judging.uncertainty import error_detection, spread, with_test
from trainer.judging.validation import judge, judge_validation
from trainer.learning.consumption import consumption_of, total
from trainer.runs.leaderboard import in_order
from trainer.trials.context import RunContext
from trainer.trials.record import read_trial, write_judged


def make_ensembles(context: RunContext, trials: Mapping[str, TrialRecord]) -> dict[str, TrialRecord]:
    """Calibrate and evaluate the run's ensembles on validation: the best architectures, and the winner's seeds.

    Members are chosen on validation. The mean is of calibrated probabilities, and is calibrated again. Under
    cross-validation there are none: no film would be new to all members.

    Args:
        context: of the run.
        trials: the trained ones, by the name of their folder.
    """
    count = context.config.report.ensemble
    if context.config.data.folds is not None or count < 2:  # noqa: PLR2004 - one network is not a mean
        return {}
    ranked = in_order(trials)
    best = {trials[name].architecture: name for name in reversed(ranked)}
    leaders = [name for name in ranked if name in best.values()][:count]
    winner = trials[ranked[0]].architecture
    seeds = [name for name in ranked if trials[name].architecture == winner]
    groups = {f"mean-of-{len(leaders)}-architectures": leaders, f"mean-of-{len(seeds)}-seeds": seeds}
    return {name: _make(context, name, members) for name, members in groups.items() if len(members) > 1}


def evaluate_ensemble_on_test(context: RunContext, folder: TrialFolder, films: Sequence[Film]) -> TrialRecord:
    """Evaluate an ensemble whose members were evaluated on the test films, and record it."""
    record = read_trial(folder)
    averaged = _mean(context.folder, record.members, "test", films)
    evaluation = judge(averaged, Task.of(record), record.calibration)
    spreads = spread(_probabilities(context.folder, record.members, "test"))
    tested = record.model_copy(update={"test": evaluation, "uncertainty": with_test(record, averaged, spreads)})
    saved = SavedOutputs.of(averaged, films, context.dataset.root, spread=spreads)
    write_judged(folder, tested, "test", saved, films)
    return tested


def _make(context: RunContext, name: str, members: Sequence[str]) -> TrialRecord:
    folder = context.folder.trial(name)
    folder.make()
    films = context.dataset.films("val")
    averaged = _mean(context.folder, members, "validation", films)
    calibration, evaluation = judge_validation(averaged, context.dataset.task, context.config.judge)
    records = {member: read_trial(context.folder.trial(member)) for member in members}
    record = _record(name, records, calibration, evaluation)
    spreads = spread(_probabilities(context.folder, members, "validation"))
    uncertainty = Uncertainty(
        source="members",
        answers=len(members),
        validation=error_detection(averaged, spreads, context.dataset.task, calibration),
    )
    record = record.model_copy(update={"uncertainty": uncertainty})
    saved = SavedOutputs.of(averaged, films, context.dataset.root, spread=spreads)
    write_judged(folder, record, "validation", saved, films)
    return record


def _record(
    name: str, members: Mapping[str, TrialRecord], calibration: Calibration, evaluation: Evaluation
) -> TrialRecord:
    first, *_ = members.values()
    costs = [record.ms_per_film for record in members.values()]
    return first.model_copy(
        update={
            "architecture": name,
            "members": tuple(members),
            "settings": {},
            "calibration": calibration,
            "validation": evaluation,
            "many_views": None,
            "ms_per_film_load": None,
            "ms_per_film": None if None in costs else sum(cost for cost in costs if cost is not None),
            "provenance": _provenance([record.provenance for record in members.values()]),
        }
    )


def _provenance(members: Sequence[Provenance]) -> Provenance:
    """That of the first member, with the parameters and the training of all."""
    consumption = total([consumption_of(member) for member in members])
    return members[0].model_copy(
        update={
            "parameters": sum(member.parameters for member in members),
            "training_seconds": consumption.seconds,
            "cpu_seconds": consumption.cpu_seconds,
            "energy_joules": consumption.energy_joules,
        }
    )


def _mean(folder: RunFolder, members: Sequence[str], part: Part, films: Sequence[Film]) -> LabelledLogits:
    """Logits [N, K] whose softmax, or sigmoid of findings, is the members' mean probability."""
    mean = _probabilities(folder, members, part).mean(axis=0)
    labels = SavedOutputs.read(folder.trial(members[0]).outputs(part)).labels
    odds = np.log(np.maximum(mean, np.finfo(np.float32).tiny))
    if labels.ndim > 1:
        odds -= np.log(np.maximum(1 - mean, np.finfo(np.float32).tiny))
    logits: NDArray[np.float32] = odds.astype(np.float32)
    return LabelledLogits.of(part, films, labels, logits)


def _probabilities(folder: RunFolder, members: Sequence[str], part: Part) -> NDArray[np.float64]:
    """The calibrated probabilities of each member, [M, N, K]."""
    trials = [folder.trial(member) for member in members]
    records = [read_trial(trial) for trial in trials]
    outputs = [SavedOutputs.read(trial.outputs(part)) for trial in trials]
    return np.stack(
        [calibrated(each.logits, one.calibration, one.classes) for each, one in zip(outputs, records, strict=True)]
    )
