"""Means of trials, as rows of the leaderboard: what several networks together would bring; none of them is exported."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.model.decision import softmax
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig
from trainer.films.dataset import DataRecord, described, films_of, root_of
from trainer.films.film import Film
from trainer.judging.calibrate import calibrate
from trainer.judging.judge import judge, outputs_of
from trainer.judging.outputs import TEST_OUTPUTS, VALIDATION_OUTPUTS, SavedOutputs
from trainer.learning.consumption import consumption_of, total
from trainer.runs.leaderboard import in_order
from trainer.trials.trial import TRIALS, read_trial, write_trial


def make_ensembles(
    config: RunConfig, data: DataRecord, run: Path, trials: Mapping[str, TrialRecord]
) -> dict[str, TrialRecord]:
    """Calibrate and evaluate the run's ensembles on validation: the best architectures, and the winner's seeds.

    Members are chosen on validation. The mean is of calibrated probabilities, and is calibrated again. Under
    cross-validation there are none: no film would be new to all members.

    Args:
        config: how many architectures are averaged.
        data: the run's films.
        run: folder of the run.
        trials: the trained ones, by the name of their folder.
    """
    if config.folds is not None:
        return {}
    ranked = in_order(trials)
    best = {trials[name].architecture: name for name in reversed(ranked)}
    leaders = [name for name in ranked if name in best.values()][: config.ensemble]
    winner = trials[ranked[0]].architecture
    seeds = [name for name in ranked if trials[name].architecture == winner]
    groups = {f"mean-of-{len(leaders)}-architectures": leaders, f"mean-of-{len(seeds)}-seeds": seeds}
    return {
        name: _make(config, data, run, name, members)
        for name, members in groups.items()
        if config.ensemble > 1 and len(members) > 1
    }


def evaluate_ensemble_on_test(run: Path, name: str, films: tuple[Film, ...]) -> TrialRecord:
    """Evaluate an ensemble whose members were evaluated on the test films, and record it."""
    directory = run / TRIALS / name
    record = read_trial(directory)
    averaged, labels = _mean(run, record.members, TEST_OUTPUTS)
    tested = record.model_copy(update={"test": judge(averaged, labels, films, record.calibration, record, data="test")})
    outputs_of(averaged, labels, films, root_of(run)).write(directory / TEST_OUTPUTS)
    write_trial(directory, tested)
    return tested


def _make(config: RunConfig, data: DataRecord, run: Path, name: str, members: Sequence[str]) -> TrialRecord:
    directory = run / TRIALS / name
    directory.mkdir(parents=True, exist_ok=True)
    films = films_of(config, run, "val")
    records = [read_trial(run / TRIALS / member) for member in members]
    averaged, labels = _mean(run, members, VALIDATION_OUTPUTS)
    calibration = calibrate(
        averaged,
        labels,
        classes=data.classes,
        negative_class=data.negative_class,
        target_sensitivity=config.target_sensitivity,
        alpha=config.alpha,
        data=described("validation", films),
    )
    outputs_of(averaged, labels, films, root_of(run)).write(directory / VALIDATION_OUTPUTS)
    first = records[0]
    costs = [record.ms_per_film for record in records]
    origins = [record.provenance for record in records]
    took = total([consumption_of(each) for each in origins])
    provenance = first.provenance.model_copy(
        update={
            "parameters": sum(each.parameters for each in origins),
            "training_seconds": took.seconds,
            "cpu_seconds": took.cpu_seconds,
            "energy_joules": took.energy_joules,
        }
    )
    record = first.model_copy(
        update={
            "architecture": name,
            "members": tuple(members),
            "settings": {},
            "calibration": calibration,
            "validation": judge(averaged, labels, films, calibration, data, data="validation"),
            "many_views": None,
            "ms_per_film": None if None in costs else sum(cost for cost in costs if cost is not None),
            "provenance": provenance,
        }
    )
    write_trial(directory, record)
    return record


def _mean(run: Path, members: Sequence[str], file: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits [N, K] whose softmax is the members' mean probability, and the labels [N]."""
    probabilities = []
    for member in members:
        saved = SavedOutputs.read(run / TRIALS / member / file)
        probabilities.append(softmax(saved.logits, read_trial(run / TRIALS / member).calibration.temperature))
    mean = np.mean(probabilities, axis=0)
    return np.log(np.maximum(mean, np.finfo(np.float32).tiny)).astype(np.float32), saved.labels
