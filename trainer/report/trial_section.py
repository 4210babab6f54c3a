"""One trial in the report: its figures of merit, its curves, its confusion and its training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.estimate import Estimate
from schemas.model.decision import softmax
from schemas.model.evaluation import Evaluation, FindingMetrics, LabelMetrics
from trainer.report.curves import Curves, curves, reliability
from trainer.report.figures import (
    confusion_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
    threshold_figure,
    training_figure,
)
from trainer.report.html import Picture, Table, drawing
from trainer.report.mistakes import corruption_tables, looking_tables, uncertainty_tables
from trainer.report.records import RecordedTrial
from trainer.report.trial_parts.bands import band_tables
from trainer.report.trial_parts.findings import finding_figures, finding_tables
from trainer.report.trial_parts.groups import group_tables

_FIGURE_HEAD = "figure [95 % interval]"
_OPTIMISTIC = "Validation chose the epoch and the threshold, so its curve is optimistic."
_BANDS = "Bands: pointwise 95 %, patients resampled 2,000 times."


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """What `trial.html.j2` shows."""

    name: str
    validation_auroc: Estimate
    tables: tuple[Table, ...]
    sets_without_outputs: tuple[str, ...]
    """Sets of films for which no curve can be drawn."""
    figures: tuple[Picture, ...]


def trial_figures(trial: RecordedTrial) -> TrialFigures:
    """Tables and figures of one trial."""
    alone = trial.record.activation == "sigmoid"
    findings = [point.finding for point in trial.record.calibration.operating_points]
    return TrialFigures(
        name=trial.row.trial,
        validation_auroc=trial.row.validation_auroc,
        tables=(
            _overall_table(trial),
            *(finding_tables(trial) if alone else (_finding_table(trial, finding) for finding in findings)),
            *band_tables(trial.evaluations),
            *group_tables(trial),
            *uncertainty_tables(trial.record),
            *corruption_tables(trial.evaluations),
            *looking_tables(trial.record),
        ),
        sets_without_outputs=tuple(name for name in trial.evaluations if name not in trial.outputs),
        figures=(
            *(finding_figures(trial) if alone else _class_figures(trial, findings)),
            *_training_figures(trial),
        ),
    )


def _class_figures(trial: RecordedTrial, findings: Sequence[str]) -> Iterator[Picture]:
    for finding in findings:
        yield from _finding_figures(trial, finding)
    yield from _reliability_figures(trial)
    yield from _confusion_figures(trial)


def _overall_table(trial: RecordedTrial) -> Table:
    evaluations = tuple(trial.evaluations.values())
    alone = trial.record.activation == "sigmoid"
    macro = " (macro average)" if alone or len(trial.record.classes) > 2 else ""  # noqa: PLR2004 - one of two classes
    rows = [
        (f"AUROC{macro}", *(str(evaluation.auroc) for evaluation in evaluations)),
        *(
            (f"AUROC of {name} against the rest", *(str(evaluation.class_auroc[name]) for evaluation in evaluations))
            for name in (trial.record.validation.class_auroc if macro and not alone else ())
        ),
        ("Brier score", *(str(evaluation.brier) for evaluation in evaluations)),
        ("Expected calibration error", *(str(evaluation.ece) for evaluation in evaluations)),
    ]
    for rule in (metrics.rule for metrics in trial.record.validation.labels):
        sets = [metrics for evaluation in evaluations for metrics in evaluation.labels if metrics.rule == rule]
        rows += _label_rows(rule, sets)
    if (views := trial.record.many_views) is not None:
        areas = [part.auroc for part in (views.validation, views.test) if part is not None]
        rows.append((f"AUROC, mean of {views.views} views of each film", *map(str, areas)))
    return Table(
        "All findings together, on average" if alone else "All classes together",
        (_FIGURE_HEAD, *_set_titles(trial.evaluations)),
        rows,
    )


def _label_rows(rule: str, sets: list[LabelMetrics]) -> list[tuple[str, ...]]:
    return [
        (f"Balanced accuracy, by {rule}", *(str(metrics.balanced_accuracy) for metrics in sets)),
        (f"Accuracy, by {rule}", *(str(metrics.accuracy) for metrics in sets)),
        (f"Macro F1, by {rule}", *(str(metrics.macro_f1) for metrics in sets)),
        *(
            (f"F1 of {name}, by {rule}", *(str(metrics.class_f1[name]) for metrics in sets))
            for name in sets[0].class_f1
        ),
        (f"Matthews correlation, by {rule}", *(str(metrics.mcc) for metrics in sets)),
    ]


def _finding_table(trial: RecordedTrial, finding: str) -> Table:
    sets = [
        (name, metrics)
        for name, evaluation in trial.evaluations.items()
        for metrics in evaluation.findings
        if metrics.finding == finding
    ]
    head = (_FIGURE_HEAD, *(f"{name}, threshold {metrics.threshold:.3f}" for name, metrics in sets))
    point = next(point for point in trial.record.calibration.operating_points if point.finding == finding)
    caption = (
        f"{finding} against the rest, at 0.5 and at the operating point {point.threshold:.3f}, which validation chose "
        f"for a sensitivity of {point.target_sensitivity:.0%}."
    )
    return Table(caption, head, _finding_rows([metrics for _, metrics in sets]))


def _finding_rows(sets: list[FindingMetrics]) -> list[tuple[str, ...]]:
    return [
        ("AUROC", *(str(metrics.auroc) for metrics in sets)),
        ("AUPRC", *(str(metrics.auprc) for metrics in sets)),
        ("Sensitivity", *(str(metrics.sensitivity) for metrics in sets)),
        ("Specificity", *(str(metrics.specificity) for metrics in sets)),
        ("Prevalence", *(f"{metrics.prevalence:.1%}" for metrics in sets)),
        ("PPV at this prevalence", *(_or_undefined(metrics.ppv) for metrics in sets)),
        ("NPV at this prevalence", *(_or_undefined(metrics.npv) for metrics in sets)),
        ("F1", *(str(metrics.f1) for metrics in sets)),
    ]


def _finding_figures(trial: RecordedTrial, finding: str) -> Iterator[Picture]:
    metrics = trial.at_operating_point(finding)
    by_set = {name: _curves(trial, finding, name) for name in trial.outputs}
    if not by_set:
        return
    sets = " and ".join(by_set)
    areas = "; ".join(f"{name} {metrics[name].auroc}" for name in by_set)
    yield drawing(
        roc_figure(by_set, metrics),
        caption=f"ROC of {finding} against the rest. {_OPTIMISTIC} {_BANDS}",
        alt=f"ROC curves of {finding} on {sets}. AUROC: {areas}.",
    )
    areas = "; ".join(f"{name} {metrics[name].auprc} at prevalence {metrics[name].prevalence:.1%}" for name in by_set)
    yield drawing(
        precision_recall_figure(by_set, metrics),
        caption=f"Precision and recall of {finding}; dashed: calling every film. {_OPTIMISTIC} {_BANDS}",
        alt=f"Precision-recall curves of {finding} on {sets}. AUPRC: {areas}.",
    )
    for name, set_curves in by_set.items():
        point = metrics[name]
        yield drawing(
            threshold_figure(set_curves, point.threshold, name),
            caption=f"Sensitivity and specificity for {finding} on {name} against the threshold. {_BANDS}",
            alt=(
                f"On {name}, at the operating point {point.threshold:.3f}: sensitivity {point.sensitivity}, "
                f"specificity {point.specificity}."
            ),
        )


def _curves(trial: RecordedTrial, finding: str, name: str) -> Curves:
    outputs = trial.outputs[name]
    index = trial.record.classes.index(finding)
    probability = softmax(outputs.logits, trial.record.calibration.temperature)[:, index]
    return curves(outputs.labels == index, probability, outputs.patients)


def _reliability_figures(trial: RecordedTrial) -> Iterator[Picture]:
    for name, outputs in trial.outputs.items():
        probabilities = softmax(outputs.logits, trial.record.calibration.temperature)
        bins = reliability(probabilities.argmax(axis=1) == outputs.labels, probabilities.max(axis=1))
        error = trial.evaluations[name].ece
        optimistic = " The temperature was chosen on these films." if name == "validation" else ""
        yield drawing(
            reliability_figure(bins, error, name),
            caption=(
                f"Calibration on {name}: {len(bins.counts)} bins with equal numbers of films, Wilson intervals. Above "
                f"the line the network is under-confident, below it over-confident.{optimistic}"
            ),
            alt=f"Reliability diagram on {name}: expected calibration error {error}.",
        )


def _confusion_figures(trial: RecordedTrial) -> Iterator[Picture]:
    for name, evaluation in trial.evaluations.items():
        for metrics in evaluation.labels:
            counts = np.asarray(metrics.confusion)
            cells = "; ".join(
                f"{truth} labelled {label}: {counts[row, column]}"
                for row, truth in enumerate(trial.record.classes)
                for column, label in enumerate(trial.record.classes)
            )
            yield drawing(
                confusion_figure(metrics.confusion, trial.record.classes, f"{name.capitalize()}, by {metrics.rule}"),
                caption=(
                    f"{name.capitalize()}, labels by {metrics.rule}: balanced accuracy {metrics.balanced_accuracy}. "
                    "Percentages are of the films with the same truth."
                ),
                alt=f"Confusion matrix on {name} by {metrics.rule}. {cells}.",
            )


def _training_figures(trial: RecordedTrial) -> Iterator[Picture]:
    best = trial.record.best_epoch
    if trial.history:
        yield drawing(
            training_figure(trial.history, best),
            caption="The grey line marks the epoch whose weights were kept, chosen on validation.",
            alt=(
                f"Loss, validation AUROC and learning rate over {len(trial.history)} epochs; epoch {best + 1} was kept."
            ),
        )


def _set_titles(evaluations: Mapping[str, Evaluation]) -> tuple[str, ...]:
    return tuple(
        f"{name}{', optimistic' if name == 'validation' else ''} ({evaluation.films:,} films)"
        for name, evaluation in evaluations.items()
    )


def _or_undefined(value: Estimate | None) -> str:
    return "undefined" if value is None else str(value)
