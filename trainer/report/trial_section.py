"""One trial in the report: its figures of merit, its curves, its confusion and its training."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from schemas.estimate import Estimate
from schemas.model.decision import softmax
from schemas.model.evaluation import Evaluation, LabelMetrics, SubgroupMetrics
from trainer.report.curves import Curves, curves, reliability
from trainer.report.figures import (
    confusion_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
    threshold_figure,
    training_figure,
)
from trainer.report.html import figure_html, table_html
from trainer.report.markup import paragraph, side_by_side
from trainer.report.records import RecordedTrial

_UNDEFINED = "undefined"


def trial_html(trial: RecordedTrial) -> str:
    """Tables and figures of one trial."""
    missing = [name for name in trial.evaluations if name not in trial.outputs]
    note = (
        f"No curves, calibration diagram and mistakes on {' and '.join(missing)}: this run was made before the outputs of every "
        "film were kept. To have them, train again into a new folder: python -m trainer train --config "
        "RUN/config.yaml --out NEW"
    )
    figures = (
        *(figure for finding in _findings(trial) for figure in _finding_figures(trial, finding)),
        *_reliability_figures(trial),
        *_confusion_figures(trial),
        *_training_figures(trial),
    )
    tables = (_finding_table(trial, finding) for finding in _findings(trial))
    return "".join(
        (
            _overall_table(trial),
            *tables,
            _group_table(
                trial,
                lambda evaluation: evaluation.subgroups,
                "Groups of films, at the operating point; small groups have wide intervals",
            ),
            _group_table(
                trial,
                lambda evaluation: evaluation.shifts,
                "The same films under changes of exposure, processing and framing, thresholds unchanged",
            ),
            paragraph(note) if missing else "",
            side_by_side(figures),
        )
    )


def _findings(trial: RecordedTrial) -> tuple[str, ...]:
    return tuple(point.finding for point in trial.record.calibration.operating_points)


def _overall_table(trial: RecordedTrial) -> str:
    evaluations = trial.evaluations
    macro = " (macro average)" if len(trial.record.classes) > 2 else ""  # noqa: PLR2004 - two classes have one AUROC
    rows = [
        (f"AUROC{macro}", *(str(evaluation.auroc) for evaluation in evaluations.values())),
        *(
            (f"AUROC of {name} against the rest", *(str(found.class_auroc[name]) for found in evaluations.values()))
            for name in (trial.record.validation.class_auroc if macro else ())
        ),
        ("Brier score", *(str(evaluation.brier) for evaluation in evaluations.values())),
        ("Expected calibration error", *(str(evaluation.ece) for evaluation in evaluations.values())),
    ]
    for rule in (metrics.rule for metrics in trial.record.validation.labels):
        found = [_by_rule(evaluation, rule) for evaluation in evaluations.values()]
        rows += [
            (f"Balanced accuracy, by {rule}", *(str(metrics.balanced_accuracy) for metrics in found)),
            (f"Accuracy, by {rule}", *(str(metrics.accuracy) for metrics in found)),
            (f"Macro F1, by {rule}", *(str(metrics.macro_f1) for metrics in found)),
            *(
                (f"F1 of {name}, by {rule}", *(str(metrics.class_f1[name]) for metrics in found))
                for name in found[0].class_f1
            ),
            (f"Matthews correlation, by {rule}", *(str(metrics.mcc) for metrics in found)),
        ]
    if (views := trial.record.many_views) is not None:
        judged = [part.auroc for part in (views.validation, views.test) if part is not None]
        rows.append((f"AUROC, mean of {views.views} views of each film", *map(str, judged)))
    return table_html(("figure [95 % interval]", *_headed(evaluations)), rows, caption="All classes together")


def _group_table(
    trial: RecordedTrial, groups: Callable[[Evaluation], tuple[SubgroupMetrics, ...]], caption: str
) -> str:
    rows = [
        (
            name,
            f"{group.column} {group.value}",
            group.finding,
            f"{group.positives:,} of {group.films:,}",
            *map(_or_undefined, (group.auroc, group.sensitivity, group.specificity)),
            group.note,
        )
        for name, evaluation in trial.evaluations.items()
        for group in groups(evaluation)
    ]
    if not rows:
        return ""
    head = ("set", "group", "finding", "films with it", "AUROC", "sensitivity", "specificity", "note")
    return table_html(head, rows, caption=caption)


def _finding_table(trial: RecordedTrial, finding: str) -> str:
    columns = [
        (f"{name}, threshold {metrics.threshold:.3f}", metrics)
        for name, evaluation in trial.evaluations.items()
        for metrics in evaluation.findings
        if metrics.finding == finding
    ]
    heads, found = zip(*columns, strict=True)
    rows = [
        ("AUROC", *(str(metrics.auroc) for metrics in found)),
        ("AUPRC", *(str(metrics.auprc) for metrics in found)),
        ("Sensitivity", *(str(metrics.sensitivity) for metrics in found)),
        ("Specificity", *(str(metrics.specificity) for metrics in found)),
        ("Prevalence", *(f"{metrics.prevalence:.1%}" for metrics in found)),
        ("PPV at this prevalence", *(_or_undefined(metrics.ppv) for metrics in found)),
        ("NPV at this prevalence", *(_or_undefined(metrics.npv) for metrics in found)),
        ("F1", *(str(metrics.f1) for metrics in found)),
    ]
    point = next(point for point in trial.record.calibration.operating_points if point.finding == finding)
    caption = (
        f"{finding} against the rest, at 0.5 and at the operating point {point.threshold:.3f}, chosen on validation for a "
        f"sensitivity of {point.target_sensitivity:.0%}"
    )
    return table_html(("figure [95 % interval]", *heads), rows, caption=caption)


def _finding_figures(trial: RecordedTrial, finding: str) -> Iterator[str]:
    metrics = trial.at_operating_point(finding)
    drawn = {name: _curves(trial, finding, name) for name in trial.outputs}
    if not drawn:
        return
    sets = " and ".join(drawn)
    flattered = "Validation chose epoch and threshold and is flattered. "
    bands = "Bands: pointwise 95 %, patients resampled 2,000 times."
    areas = "; ".join(f"{name} {metrics[name].auroc}" for name in drawn)
    yield figure_html(
        roc_figure(drawn, metrics),
        caption=f"ROC of {finding} against the rest. {flattered}{bands}",
        alt=f"ROC curves of {finding} on {sets}. AUROC: {areas}.",
    )
    areas = "; ".join(f"{name} {metrics[name].auprc} at prevalence {metrics[name].prevalence:.1%}" for name in drawn)
    yield figure_html(
        precision_recall_figure(drawn, metrics),
        caption=f"Precision and recall of {finding}; dashed: calling every film. {flattered}{bands}",
        alt=f"Precision-recall curves of {finding} on {sets}. AUPRC: {areas}.",
    )
    for name, found in drawn.items():
        point = metrics[name]
        yield figure_html(
            threshold_figure(found, point.threshold, name),
            caption=f"Sensitivity and specificity for {finding} on {name} against the threshold. {bands}",
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


def _reliability_figures(trial: RecordedTrial) -> Iterator[str]:
    for name, outputs in trial.outputs.items():
        probabilities = softmax(outputs.logits, trial.record.calibration.temperature)
        bins = reliability(probabilities.argmax(axis=1) == outputs.labels, probabilities.max(axis=1))
        error = trial.evaluations[name].ece
        flattered = " The temperature was chosen on these films." if name == "validation" else ""
        yield figure_html(
            reliability_figure(bins, error, name),
            caption=f"Calibration on {name}: {len(bins.counts)} bins of equally many films, Wilson intervals; above the line the network is too modest, below too sure.{flattered}",
            alt=f"Reliability diagram on {name}: expected calibration error {error}.",
        )


def _confusion_figures(trial: RecordedTrial) -> Iterator[str]:
    for name, evaluation in trial.evaluations.items():
        for metrics in evaluation.labels:
            counts = np.asarray(metrics.confusion)
            cells = "; ".join(
                f"{truth} labelled {label}: {counts[row, column]}"
                for row, truth in enumerate(trial.record.classes)
                for column, label in enumerate(trial.record.classes)
            )
            yield figure_html(
                confusion_figure(metrics.confusion, trial.record.classes, f"{name.capitalize()}, by {metrics.rule}"),
                caption=f"{name.capitalize()}, labels by {metrics.rule}: balanced accuracy {metrics.balanced_accuracy}. Per cent of the films of a truth.",
                alt=f"Confusion matrix on {name} by {metrics.rule}. {cells}.",
            )


def _training_figures(trial: RecordedTrial) -> Iterator[str]:
    record = trial.record
    if trial.history:
        yield figure_html(
            training_figure(trial.history, record.best_epoch),
            caption=f"Training of {trial.row.trial}: the grey line marks the epoch whose weights were kept, chosen on validation.",
            alt=f"Loss, validation AUROC and learning rate over {len(trial.history)} epochs; epoch {record.best_epoch + 1} was kept.",
        )


def _headed(evaluations: Mapping[str, Evaluation]) -> tuple[str, ...]:
    return tuple(
        f"{name}{', flattered' if name == 'validation' else ''} ({evaluation.films:,} films)"
        for name, evaluation in evaluations.items()
    )


def _by_rule(evaluation: Evaluation, rule: str) -> LabelMetrics:
    return next(metrics for metrics in evaluation.labels if metrics.rule == rule)


def _or_undefined(value: Estimate | None) -> str:
    return _UNDEFINED if value is None else str(value)
