"""One trained network of a run: made, recorded, and read back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from rich.progress import Progress

from bundle.files import write_arrays, write_whole
from schemas.errors import TrainingDataError
from schemas.model.manifest import STATISTICS
from schemas.model.mistakes import FilmReference
from schemas.model.trial import TrialRecord
from trainer.config import RunConfig, make_config, read_config
from trainer.films.dataset import DataRecord, described, films_of, labelled, root_of, split_of
from trainer.films.film import Film
from trainer.judging.calibrate import calibrate
from trainer.judging.gate import fit_gate
from trainer.judging.judge import judge, outputs_of
from trainer.judging.outputs import TEST_OUTPUTS, VALIDATION_OUTPUTS
from trainer.judging.shifts import pooled, shift_outputs, with_shifts
from trainer.learning.history import EpochRecord
from trainer.learning.loader import Batch, LabelledFilms
from trainer.learning.loop import fit
from trainer.networks.inference import outputs, see
from trainer.networks.network import Network
from trainer.networks.speed import ms_per_film
from trainer.trials.provenance import git_commit, provenance_of
from trainer.trials.tracking import track
from trainer.trials.trial_arrays import read_network, read_statistics
from trainer.trials.trial_spec import Plan
from trainer.trials.tta import judge_views, validate_views

TRIAL = "trial.json"
TRIALS = "trials"


@dataclass(frozen=True, slots=True)
class TrainedTrial:
    """A trial that was trained and calibrated."""

    directory: Path
    record: TrialRecord
    network: Network
    """On the CPU, in eval mode, with the best weights."""
    statistics: Mapping[str, NDArray[np.float32]] | None
    """Arrays of `OutOfDistribution`."""

    def inputs(self, split: Literal["train", "val"]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Prepared films float32 [V, 1, S, S] and labels int64 [V] that the trial was trained on or validated with."""
        found = self.films(split)
        return found.films, found.labels

    def films(self, split: Literal["train", "val"]) -> LabelledFilms:
        """The same with what training knows of them."""
        config, films = self._split(split)
        return labelled(films, self.record.classes, self.record.preprocess, Path(config.cache))

    def patients(self, split: Literal["train", "val"]) -> NDArray[np.str_]:
        """Who each of these films is of, [V], in the order of `inputs`."""
        return np.array([film.patient for film in self._split(split)[1]])

    def references(self, split: Literal["train", "val"]) -> tuple[FilmReference, ...]:
        """Where somebody who holds the data finds each of these films, in the order of `inputs`."""
        config, films = self._split(split)
        every = split_of(config, self.directory.parent.parent).films
        lines = {film.path: line for line, film in enumerate(every, start=2)}
        return tuple(FilmReference(sha256_prefix=film.sha256[:12], split_line=lines[film.path]) for film in films)

    def _split(self, split: Literal["train", "val"]) -> tuple[RunConfig, tuple[Film, ...]]:
        run = self.directory.parent.parent
        config = read_config(run)
        return config, films_of(config, run, split, self.record.fold)


def read_trial(directory: Path) -> TrialRecord:
    """The record of a trial.

    Raises:
        TrainingDataError: the trial has not ended, or its record is of another version.
    """
    try:
        return TrialRecord.model_validate_json((directory / TRIAL).read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"{directory / TRIAL} is missing or of another version; run the training again with the same --out"
        raise TrainingDataError(msg) from error


def write_trial(directory: Path, record: TrialRecord) -> None:
    """Replace the record of a trial."""
    write_whole(directory / TRIAL, record.model_dump_json(indent=2).encode())


def load_trial(directory: Path, *, with_statistics: bool = True) -> TrainedTrial:
    """A trial as the exporter and the report need it.

    Args:
        directory: of the trial.
        with_statistics: False: without the arrays of its gate, which need not be there.

    Raises:
        TrainingDataError: the trial has not ended, a file of it is missing or damaged, its record is of another version,
            or it is a mean of others.
    """
    record = read_trial(directory)
    if record.members:
        msg = f"{directory.name} is a mean of {', '.join(record.members)}, not a network; name one of these"
        raise TrainingDataError(msg)
    network = read_network(directory, record.architecture, len(record.classes), record.preprocess)
    gated = with_statistics and record.calibration.out_of_distribution is not None
    return TrainedTrial(directory, record, network, read_statistics(directory) if gated else None)


def make_trial(  # noqa: PLR0913 - what a trial is a function of, its place, and where it tells
    config: RunConfig,
    data: DataRecord,
    plan: Plan,
    settings: Mapping[str, Any],
    *,
    run: Path,
    command: str,
    progress: Progress,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    teach: Callable[[Batch], Batch] | None = None,
) -> TrialRecord:
    """Train one network, calibrate and evaluate it on validation; a trial that has ended is read, not repeated.

    Args:
        config: of the run.
        data: the run's films.
        plan: which network.
        settings: what a search changed in the config.
        run: folder of the run.
        command: what the user typed, for the record.
        progress: where the epochs are shown.
        on_epoch: told of each epoch.
        teach: gives each augmented batch other labels.

    Raises:
        CxrError: see `fit`.
    """
    directory = run / TRIALS / plan.name
    if (directory / TRIAL).exists():
        return read_trial(directory)
    directory.mkdir(parents=True, exist_ok=True)
    commit = git_commit()  # of the code that is loaded; it may change on disk while the network trains
    teachers = tuple(read_trial(Path(teacher)).provenance for teacher in config.teachers)
    name = plan.architecture
    changed = make_config(config.model_dump() | dict(settings))
    spec = config.preprocess(name)
    kept = films_of(config, run, "val", plan.fold)
    train, validation = plan_films(config, data, plan, run)
    fitted = fit(
        changed,
        name,
        plan.seed,
        train,
        validation,
        directory=directory,
        progress=progress,
        on_epoch=on_epoch,
        teach=teach,
    )
    network = read_network(directory, name, len(data.classes), spec)
    logits, seen = see(network, validation)
    gate = fit_gate(see(network, train)[1], seen, data.classes)
    under_shifts = shift_outputs(network, validation.films) if config.shifts else {}
    calibration = calibrate(
        logits,
        validation.labels,
        deciding=pooled(under_shifts, validation.labels) if config.decide_on == "shifts" else None,
        classes=data.classes,
        negative_class=data.negative_class,
        target_sensitivity=config.target_sensitivity,
        alpha=config.alpha,
        data=described("validation", kept),
        out_of_distribution=None if gate is None else gate[0],
    )
    if gate is not None:
        write_arrays(directory / STATISTICS, gate[1])
    outputs_of(logits, validation.labels, kept, root_of(run)).write(directory / VALIDATION_OUTPUTS)
    record = TrialRecord(
        architecture=name,
        classes=data.classes,
        negative_class=data.negative_class,
        preprocess=spec,
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        calibration=calibration,
        validation=with_shifts(
            judge(logits, validation.labels, kept, calibration, data, data="validation"),
            under_shifts,
            validation.labels,
            kept,
            calibration,
        ),
        test=None,
        many_views=validate_views(config, network, validation, kept, data),
        fold=plan.fold,
        settings=dict(settings),
        ms_per_film=ms_per_film(network, spec.size),
        provenance=provenance_of(
            config,
            data,
            fitted,
            network,
            seed=plan.seed,
            command=command,
            commit=commit,
            teachers=teachers,
        ),
    )
    write_trial(directory, record)
    track(run.resolve().name, plan.name, changed, record, fitted.history)
    return record


def plan_films(config: RunConfig, data: DataRecord, plan: Plan, run: Path) -> tuple[LabelledFilms, LabelledFilms]:
    """The prepared films that a plan trains on, and those that it validates with."""
    spec = config.preprocess(plan.architecture)
    cache = Path(config.cache)
    train, validation = (
        labelled(films_of(config, run, part, plan.fold), data.classes, spec, cache, negative_class=data.negative_class)
        for part in ("train", "val")
    )
    return train, validation


def evaluate_on_test(config: RunConfig, directory: Path, films: tuple[Film, ...]) -> TrialRecord:
    """Evaluate a trial on the test films and record it; `trainer.testset` alone gives them."""
    trial = load_trial(directory)
    record = trial.record
    test = labelled(films, record.classes, record.preprocess, Path(config.cache))
    logits = outputs(trial.network, test.films)[0].numpy()
    outputs_of(logits, test.labels, films, root_of(directory.parent.parent)).write(directory / TEST_OUTPUTS)
    under_shifts = shift_outputs(trial.network, test.films) if config.shifts else {}
    evaluation = with_shifts(
        judge(logits, test.labels, films, record.calibration, record, data="test"),
        under_shifts,
        test.labels,
        films,
        record.calibration,
    )
    views = judge_views(config, trial.network, test, films, record)
    tested = record.model_copy(update={"test": evaluation, "many_views": views})
    write_trial(directory, tested)
    return tested
