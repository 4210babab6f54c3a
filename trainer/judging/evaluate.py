"""The evaluation of a calibrated network on a set of films: figures with intervals, for both labelling rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biostatistics.delong import delong_interval
from biostatistics.intervals import (
    RESAMPLES,
    bootstrap,
    ece_interval,
    mean_interval,
    percentile_interval,
    wilson_interval,
)
from biostatistics.metrics import Figures, Weights, auprc, brier, confusion, ece, f1, macro_auroc, mcc
from schemas.errors import TrainingDataError
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, OperatingPoint
from schemas.model.decision import calibrated, finding_label
from schemas.model.evaluation import CorruptionMean, Evaluation, FindingMetrics, LabelMetrics, SubgroupMetrics
from trainer.films.task import Labels, Task
from trainer.judging.bands import probability_bands
from trainer.judging.corruption import corruption_mean
from trainer.judging.logits import LabelledLogits
from trainer.judging.subgroups import ScoredFilms, finding_rows, subgroup_metrics

DEFAULT_THRESHOLD = 0.5
SHIFT_COLUMN = "shift"
"""Column of the rows that hold the figures under shifts."""


@dataclass(frozen=True, slots=True)
class _CalledFilms(ScoredFilms):
    """Films with the label that each rule gives them."""

    labels: Mapping[str, Labels]  # [N] by rule


def evaluate(
    outputs: LabelledLogits, task: Task, calibration: Calibration, *, resamples: int = RESAMPLES
) -> Evaluation:
    """Measure a calibrated network on a set of films, on each group of them, and under each shift that was tried.

    Proportions have Wilson intervals over films, areas under a ROC curve DeLong's with the films of a patient
    taken together; all else, and the mean of several areas, is recomputed on resamples of the patients.

    Args:
        outputs: logits, truth, patients and attributes of the films.
        task: the classes.
        calibration: what validation decided.
        resamples: number of resamples.

    Raises:
        TrainingDataError: a class without a film.
    """
    counts = _class_counts(outputs, task)
    points = calibration.operating_points
    films = _labelled(outputs, task, calibration)
    estimates = _estimates(films, points, resamples)
    class_auroc = {name: finding_auroc(films, name) for name in task.classes}
    return Evaluation(
        data=outputs.data,
        data_sha256=outputs.data_sha256,
        films=len(outputs.labels),
        patients=len(set(outputs.patients)),
        unknown_patients=outputs.unknown_patients,
        class_counts=counts,
        auroc=estimates["auroc"] if len(task.classes) > 2 else class_auroc[task.classes[1]],  # noqa: PLR2004 - one curve
        class_auroc=class_auroc,
        brier=estimates["brier"],
        ece=estimates["ece"],
        labels=tuple(_label_metrics(films, rule, estimates) for rule in films.labels),
        findings=_findings(films, points, estimates),
        subgroups=subgroup_metrics(films, points, outputs.attributes),
        shifts=shift_rows(outputs, task, calibration),
        corruption=_corruption(outputs, task, calibration, resamples),
        bands=probability_bands(films, (point.finding for point in points)),
    )


def _class_counts(outputs: LabelledLogits, task: Task) -> dict[str, int]:
    counts = {name: int((outputs.labels == index).sum()) for index, name in enumerate(task.classes)}
    if missing := [name for name, count in counts.items() if not count]:
        msg = f"{outputs.data}: no film of {', '.join(missing)}; a network is judged on films of every class"
        raise TrainingDataError(msg)
    return counts


def _labelled(outputs: LabelledLogits, task: Task, calibration: Calibration) -> _CalledFilms:
    scored = outputs.scored(task.classes, calibrated(outputs.logits, calibration, task.classes))
    points = calibration.operating_points
    called = [finding_label(row, task.classes, task.negative_class, points) for row in scored.probabilities]
    labels = {
        "argmax": scored.probabilities.argmax(axis=1),
        "operating point": np.array([task.classes.index(name) for name in called]),
    }
    return _CalledFilms(
        scored.classes,
        scored.truth,
        scored.probabilities,
        scored.patients,
        labels,
        patients_known=scored.patients_known,
    )


def _findings(
    films: _CalledFilms, points: Sequence[OperatingPoint], estimates: Mapping[str, Estimate]
) -> tuple[FindingMetrics, ...]:
    return tuple(
        finding_metrics(films, point.finding, threshold, estimates)
        for point in points
        for threshold in (DEFAULT_THRESHOLD, point.threshold)
    )


def shift_rows(outputs: LabelledLogits, task: Task, calibration: Calibration) -> tuple[SubgroupMetrics, ...]:
    """Each finding's figures under each shift; thresholds and calibration stay those of validation."""
    rows = (
        finding_rows(
            SHIFT_COLUMN,
            name,
            outputs.scored(task.classes, calibrated(logits, calibration, task.classes)),
            calibration.operating_points,
        )
        for name, logits in outputs.shifted.items()
    )
    return tuple(row for group in rows for row in group)


def _corruption(outputs: LabelledLogits, task: Task, calibration: Calibration, resamples: int) -> CorruptionMean | None:
    scored = {
        name: outputs.scored(task.classes, calibrated(logits, calibration, task.classes))
        for name, logits in outputs.shifted.items()
    }
    return corruption_mean(scored, calibration.operating_points, resamples=resamples)


def _figures(films: _CalledFilms, points: Sequence[OperatingPoint], weights: Weights) -> dict[str, Figures]:
    """Every figure whose interval is resampled, [B] for weights [B, N], by name."""
    figures = {
        "auroc": macro_auroc(films.truth, films.probabilities, weights),
        "brier": brier(films.truth, films.probabilities, weights),
        "ece": ece(films.labels["argmax"] == films.truth, films.probabilities.max(axis=1), weights),
    }
    for rule, labels in films.labels.items():
        counts = confusion(films.truth, labels, len(films.classes), weights)
        by_class = f1(counts)
        figures |= {f"mcc {rule}": mcc(counts), f"macro f1 {rule}": by_class.mean(axis=-1)}
        figures |= {f"f1 {rule} {name}": by_class[..., index] for index, name in enumerate(films.classes)}
    for point in points:
        positive = films.positive(point.finding)
        probability = films.probability(point.finding)
        figures[f"auprc {point.finding}"] = auprc(positive, probability, weights)
        for threshold in (DEFAULT_THRESHOLD, point.threshold):
            counts = confusion(positive, probability >= threshold, 2, weights)
            figures[f"f1 {point.finding} from {threshold}"] = f1(counts)[..., 1]
    return figures


def _label_metrics(films: _CalledFilms, rule: str, resampled: Mapping[str, Estimate]) -> LabelMetrics:
    counts = confusion(films.truth, films.labels[rule], len(films.classes))
    hits = counts.diagonal().astype(int).tolist()
    rows = counts.sum(axis=1).astype(int).tolist()
    recalls = [wilson_interval(hit, count) for hit, count in zip(hits, rows, strict=True)]
    return LabelMetrics(
        rule=rule,
        accuracy=wilson_interval(sum(hits), sum(rows)),
        balanced_accuracy=mean_interval(recalls),
        macro_f1=resampled[f"macro f1 {rule}"],
        class_f1={name: resampled[f"f1 {rule} {name}"] for name in films.classes},
        mcc=resampled[f"mcc {rule}"],
        confusion=tuple(tuple(row) for row in counts.astype(int).tolist()),
    )


def finding_metrics(
    films: ScoredFilms, finding: str, threshold: float, resampled: Mapping[str, Estimate]
) -> FindingMetrics:
    """One finding at one threshold.

    Args:
        films: on which it is known.
        finding: its name.
        threshold: from which it is called.
        resampled: figures with their intervals, by name.
    """
    positive = films.positive(finding)
    called = films.probability(finding) >= threshold
    counts = confusion(positive.astype(int), called.astype(int), 2)
    (true_negatives, false_positives), (false_negatives, true_positives) = counts.astype(int).tolist()
    return FindingMetrics(
        finding=finding,
        threshold=threshold,
        auroc=finding_auroc(films, finding),
        auprc=resampled[f"auprc {finding}"],
        sensitivity=wilson_interval(true_positives, true_positives + false_negatives),
        specificity=wilson_interval(true_negatives, true_negatives + false_positives),
        prevalence=float(positive.mean()),
        ppv=wilson_interval(true_positives, true_positives + false_positives) if called.any() else None,
        npv=wilson_interval(true_negatives, true_negatives + false_negatives) if not called.all() else None,
        f1=resampled[f"f1 {finding} from {threshold}"],
        brier=resampled.get(f"brier {finding}"),
        ece=resampled.get(f"ece {finding}"),
    )


def finding_auroc(films: ScoredFilms, finding: str) -> Estimate:
    """The AUROC of one finding with DeLong's interval, on films on which it is known."""
    return delong_interval(films.positive(finding), films.probability(finding), patients=films.patients)


def _estimates(films: _CalledFilms, points: Sequence[OperatingPoint], resamples: int) -> dict[str, Estimate]:
    """Each of `_figures` with its interval: percentiles of its replicates, but for the calibration error."""

    def statistics(weights: Weights) -> NDArray[np.float64]:
        return np.stack(list(_figures(films, points, weights).values()), axis=1)

    values = _figures(films, points, np.ones((1, len(films.truth))))
    columns = bootstrap(statistics, films.truth, patients=films.patients, resamples=resamples).T
    replicates = dict(zip(values, columns, strict=True))
    correct = films.labels["argmax"] == films.truth
    return {
        **{name: percentile_interval(float(value[0]), replicates[name]) for name, value in values.items()},
        "ece": ece_interval(correct, films.probabilities.max(axis=1), replicates["ece"]),
    }
