"""One trial from its specification to its record: trained, calibrated and evaluated on validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.files import write_arrays
from schemas.model.calibration import Calibration
from schemas.model.evaluation import Evaluation
from schemas.model.trial import ManyViews, TrialRecord
from schemas.model.uncertainty import Uncertainty
from trainer.films.task import Task
from trainer.folder import TrialFolder
from trainer.guide.folder import GuideFolder
from trainer.judging.gate import Statistics, films_unfamiliarity, fit_gate, gate_inputs
from trainer.judging.logits import LabelledLogits
from trainer.judging.outputs import SavedOutputs
from trainer.judging.shifts import shift_outputs
from trainer.judging.uncertainty import DROPOUT_SAMPLES, Spread, dropout_spread, error_detection
from trainer.judging.validation import judge_validation
from trainer.learning.learner import FitPlan
from trainer.learning.loop import Fit, fit
from trainer.learning.options import LearnOptions
from trainer.looking.answers import network_reader
from trainer.looking.validation import look_at_validation
from trainer.networks.network import Network
from trainer.networks.speed import measure_speed
from trainer.trials.context import RunContext
from trainer.trials.provenance import Origin, origin_of, provenance_of
from trainer.trials.record import read_trial, write_judged
from trainer.trials.tracking import track
from trainer.trials.trial_arrays import NetworkForm, read_network
from trainer.trials.trial_spec import TrialSpec
from trainer.trials.tta import validate_views

SearchedFields = Mapping[str, float | str]
"""Fields of the section `learn` that a search has chosen."""


@dataclass(frozen=True, slots=True)
class _Trained:
    """A network that is trained and not yet judged."""

    spec: TrialSpec
    plan: FitPlan
    learn: LearnOptions
    """With the fields that a search has chosen."""
    fitted: Fit
    network: Network
    """On the CPU, in eval mode, with the best weights."""
    origin: Origin
    form: NetworkForm


@dataclass(frozen=True, slots=True)
class _Validated:
    """What validation decided about a network, and its figures there."""

    calibration: Calibration
    evaluation: Evaluation
    many_views: ManyViews | None
    outputs: SavedOutputs
    statistics: Statistics | None
    """Arrays of the gate."""
    uncertainty: Uncertainty | None


def make_trial(context: RunContext, spec: TrialSpec, searched: SearchedFields) -> TrialRecord:
    """Train one network, calibrate and evaluate it on validation; a trial that has ended is read, not repeated.

    Args:
        context: of the run.
        spec: which network.
        searched: what a search changed in the section `learn`.

    Raises:
        CxrError: see `fit`.
    """
    folder = context.folder.trial(spec.name)
    if folder.record.exists():
        return read_trial(folder)
    folder.make()
    trained = _train(context, spec, context.config.learn.changed(searched), folder)
    validated = _validate(context, trained)
    record = _record(context, trained, validated, searched)
    reader = network_reader(trained.network, record, validated.statistics)
    films = context.dataset.films("val", spec.fold)
    looking = look_at_validation(reader, record, films, trained.plan.validation, context.config.judge)
    record = record.model_copy(update={"looking": looking})
    if validated.statistics is not None:
        write_arrays(folder.statistics, validated.statistics)
    write_judged(folder, record, "validation", validated.outputs, films)
    config = context.config.model_copy(update={"learn": trained.learn})
    track(folder, config, record, trained.fitted.history)
    return record


def _train(context: RunContext, spec: TrialSpec, learn: LearnOptions, folder: TrialFolder) -> _Trained:
    origin = origin_of(learn)
    plan = context.fit_plan(spec)
    fitted = fit(plan, learn, folder, context.reporter)
    networks = context.config.networks
    guide = None if networks.guide is None else GuideFolder(Path(networks.guide)).read()[0]
    form = NetworkForm(spec.architecture, plan.train.classes, networks.side(spec.architecture), guide)
    network = read_network(folder, form)
    return _Trained(spec, plan, learn, fitted, network, origin, form)


def _validate(context: RunContext, trained: _Trained) -> _Validated:
    dataset = context.dataset
    judge = context.config.judge
    prepared = trained.plan.validation
    films = dataset.films("val", trained.spec.fold)
    logits, unseen = gate_inputs(trained.network, prepared)
    gate = fit_gate(gate_inputs(trained.network, trained.plan.train)[1], unseen, dataset.task.groups)
    distribution, statistics = (None, None) if gate is None else gate
    shifted = shift_outputs(trained.network, prepared.films) if judge.shifts else {}
    outputs = LabelledLogits.of("validation", films, prepared.labels, logits, shifted)
    calibration, evaluation = judge_validation(outputs, dataset.task, judge, distribution)
    share = trained.learn.dropout_of(trained.spec.architecture)
    spreads = dropout_spread(trained.network.classifier, unseen.embeddings, share, calibration, dataset.task.classes)
    unfamiliarity = None if gate is None else films_unfamiliarity(*gate, unseen)
    return _Validated(
        calibration=calibration,
        evaluation=evaluation,
        many_views=validate_views(trained.network, films, prepared, dataset.task, judge),
        outputs=SavedOutputs.of(outputs, films, dataset.root, unfamiliarity=unfamiliarity, spread=spreads),
        statistics=statistics,
        uncertainty=_uncertainty(outputs, spreads, dataset.task, calibration),
    )


def _uncertainty(
    outputs: LabelledLogits, spreads: Spread | None, task: Task, calibration: Calibration
) -> Uncertainty | None:
    if spreads is None:
        return None
    detection = error_detection(outputs, spreads, task, calibration)
    return Uncertainty(source="dropout", answers=DROPOUT_SAMPLES, validation=detection)


def _record(context: RunContext, trained: _Trained, validated: _Validated, searched: SearchedFields) -> TrialRecord:
    task = context.dataset.task
    spec = trained.spec
    preprocess = context.config.networks.preprocess(spec.architecture)
    speed = measure_speed(trained.network, preprocess.size)
    return TrialRecord(
        architecture=spec.architecture,
        classes=task.classes,
        negative_class=task.negative_class,
        guide=trained.form.guide,
        crop=None if trained.form.guide is None else trained.form.side,
        population=context.config.data.population,
        activation=task.activation,
        preprocess=preprocess,
        epochs=len(trained.fitted.history),
        best_epoch=trained.fitted.best_epoch,
        calibration=validated.calibration,
        validation=validated.evaluation,
        test=None,
        many_views=validated.many_views,
        uncertainty=validated.uncertainty,
        fold=spec.fold,
        settings=dict(searched),
        ms_per_film=speed.ms_per_film,
        ms_per_film_load=speed.load,
        provenance=provenance_of(context, trained.fitted, trained.network, spec, trained.origin),
    )
