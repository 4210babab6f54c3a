"""Tables and figures of a trial by finding, each from the films on which the finding is known."""

from collections.abc import Iterator

from biostatistics.metrics import certain
from schemas.estimate import Estimate
from schemas.model.decision import calibrated
from schemas.model.evaluation import Evaluation, FindingMetrics
from trainer.judging.outputs import SavedOutputs
from trainer.report.curves import Curves, curves, reliability
from trainer.report.figures import precision_recall_figure, reliability_figure, roc_figure
from trainer.report.html import Picture, Table, drawing
from trainer.report.records import RecordedTrial

_BANDS = "Bands: pointwise 95 %, patients resampled 2,000 times."
_UNKNOWN = "not measured"
_UNDEFINED = "undefined"


def finding_tables(trial: RecordedTrial) -> Iterator[Table]:
    """One table for each set of films, with a row for each finding at its operating point."""
    points = {point.finding: point for point in trial.record.calibration.operating_points}
    for name, evaluation in trial.evaluations.items():
        rows = [_row(metrics, evaluation) for metrics in _at_operating_points(trial, name)]
        target = next(iter(points.values())).target_sensitivity
        yield Table(
            caption=(
                f"Findings on {name}, each on the films where it is known and at its operating point, which validation "
                f"chose for a sensitivity of {target:.0%}. Predictive values hold at the prevalence of these films."
            ),
            head=(
                "finding",
                "films with it",
                "prevalence",
                "AUROC",
                "AUPRC",
                "threshold",
                "sensitivity",
                "specificity",
                "PPV",
                "NPV",
                "Brier score",
                "calibration error",
            ),
            rows=rows,
        )


def _at_operating_points(trial: RecordedTrial, name: str) -> Iterator[FindingMetrics]:
    for finding in trial.record.classes:
        yield trial.at_operating_point(finding)[name]


def _row(metrics: FindingMetrics, evaluation: Evaluation) -> tuple[str, ...]:
    return (
        metrics.finding,
        f"{evaluation.class_counts[metrics.finding]:,}",
        f"{metrics.prevalence:.1%}",
        str(metrics.auroc),
        str(metrics.auprc),
        f"{metrics.threshold:.3f}",
        str(metrics.sensitivity),
        str(metrics.specificity),
        _or(metrics.ppv, _UNDEFINED),
        _or(metrics.npv, _UNDEFINED),
        _or(metrics.brier, _UNKNOWN),
        _or(metrics.ece, _UNKNOWN),
    )


def finding_figures(trial: RecordedTrial) -> Iterator[Picture]:
    """ROC, precision and recall, and calibration of each finding."""
    for finding in trial.record.classes if trial.outputs else ():
        yield from _curve_figures(trial, finding)
        yield from _reliability_figures(trial, finding)


def _curve_figures(trial: RecordedTrial, finding: str) -> Iterator[Picture]:
    metrics = trial.at_operating_point(finding)
    by_set = {name: _curves(trial, outputs, finding) for name, outputs in trial.outputs.items()}
    sets = " and ".join(by_set)
    areas = "; ".join(f"{name} {metrics[name].auroc}" for name in by_set)
    yield drawing(
        roc_figure(by_set, metrics),
        caption=f"ROC of {finding}. Validation chose the epoch and the threshold, so its curve is optimistic. {_BANDS}",
        alt=f"ROC curves of {finding} on {sets}. AUROC: {areas}.",
    )
    areas = "; ".join(f"{name} {metrics[name].auprc} at prevalence {metrics[name].prevalence:.1%}" for name in by_set)
    yield drawing(
        precision_recall_figure(by_set, metrics),
        caption=f"Precision and recall of {finding}; dashed: calling every film. {_BANDS}",
        alt=f"Precision-recall curves of {finding} on {sets}. AUPRC: {areas}.",
    )


def _curves(trial: RecordedTrial, outputs: SavedOutputs, finding: str) -> Curves:
    index = trial.record.classes.index(finding)
    truth = outputs.labels[:, index]
    known = certain(truth)
    probabilities = calibrated(outputs.logits, trial.record.calibration, trial.record.classes)
    return curves(truth[known] == 1, probabilities[known, index], outputs.patients[known])


def _reliability_figures(trial: RecordedTrial, finding: str) -> Iterator[Picture]:
    index = trial.record.classes.index(finding)
    for name, outputs in trial.outputs.items():
        error = trial.at_operating_point(finding)[name].ece
        if error is None:
            continue
        known = certain(outputs.labels[:, index])
        probabilities = calibrated(outputs.logits, trial.record.calibration, trial.record.classes)
        bins = reliability(outputs.labels[known, index] == 1, probabilities[known, index])
        optimistic = " Slope and offset were chosen on these films." if name == "validation" else ""
        yield drawing(
            reliability_figure(bins, error, name, finding),
            caption=(
                f"Calibration of {finding} on {name}: {len(bins.counts)} bins with equal numbers of films, Wilson "
                f"intervals. Above the line the finding is there more often than it is claimed.{optimistic}"
            ),
            alt=f"Reliability diagram of {finding} on {name}: expected calibration error {error}.",
        )


def _or(value: Estimate | None, otherwise: str) -> str:
    return otherwise if value is None else str(value)
