"""What a network's outputs are worth on a set of films: every figure with its interval, for both rules of labelling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import TrainingDataError
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, OperatingPoint
from schemas.model.decision import finding_label, softmax
from schemas.model.evaluation import Evaluation, FindingMetrics, LabelMetrics
from trainer.judging.subgroups import Attributes, subgroup_metrics
from trainer.statistics.delong import delong_interval
from trainer.statistics.intervals import bootstrap, ece_interval, mean_interval, percentile_interval, wilson_interval
from trainer.statistics.metrics import Figures, Weights, auprc, brier, confusion, ece, f1, macro_auroc, mcc

DEFAULT_THRESHOLD = 0.5

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Films:
    """A set of films: the truth, and what a network says."""

    classes: Sequence[str]
    patients: Sequence[str]
    truth: Labels  # [N]
    probabilities: NDArray[np.float64]  # [N, K], calibrated
    labels: Mapping[str, Labels]  # [N] by rule


def evaluate(  # noqa: PLR0913, PLR0917 - what an evaluation is a function of
    logits: NDArray[np.float32] | NDArray[np.float64],
    labels: Labels,
    patients: Sequence[str],
    calibration: Calibration,
    classes: Sequence[str],
    negative_class: str | None,
    *,
    data: str,
    data_sha256: str,
    attributes: Attributes | None = None,
) -> Evaluation:
    """Measure a calibrated network on a set of films.

    Proportions have Wilson intervals over films, areas under a ROC curve DeLong's with the films of a patient
    taken together; all else, and the mean of several areas, is recomputed on 2,000 resamples of the patients.

    Args:
        logits: [N, K].
        labels: [N], the truth, indices into `classes`.
        patients: [N], who each film is of.
        calibration: what validation decided.
        classes: K names in the order of the logits.
        negative_class: the class that means none of the others.
        data: name of the set.
        data_sha256: its identity, see `trainer.films.data_sha256`.
        attributes: [N], what is known of each film or patient, e.g. sex; figures are given for each group.

    Raises:
        TrainingDataError: a class without a film.
    """
    counts = {name: int((labels == index).sum()) for index, name in enumerate(classes)}
    if missing := [name for name, count in counts.items() if not count]:
        msg = f"{data}: no film of {', '.join(missing)}; a network is judged on films of every class"
        raise TrainingDataError(msg)
    points = calibration.operating_points
    probabilities = softmax(logits, calibration.temperature)
    called = [finding_label(row, classes, negative_class, points) for row in probabilities]
    by_rule = {
        "argmax": probabilities.argmax(axis=1),
        "operating point": np.array([classes.index(name) for name in called]),
    }
    films = _Films(classes, patients, labels, probabilities, by_rule)
    correct = by_rule["argmax"] == labels
    confidence = probabilities.max(axis=1)
    estimates, replicates = _resampled(films, points)
    class_auroc = {name: _auroc(films, name) for name in classes}
    return Evaluation(
        data=data,
        data_sha256=data_sha256,
        films=len(labels),
        patients=len(set(patients)),
        class_counts=counts,
        # One curve for two classes.
        auroc=estimates["auroc"] if len(classes) > 2 else class_auroc[classes[1]],  # noqa: PLR2004
        class_auroc=class_auroc,
        brier=estimates["brier"],
        ece=ece_interval(correct, confidence, replicates["ece"]),
        labels=tuple(_label_metrics(films, rule, estimates) for rule in by_rule),
        findings=tuple(
            _finding_metrics(films, point.finding, threshold, estimates)
            for point in points
            for threshold in (DEFAULT_THRESHOLD, point.threshold)
        ),
        subgroups=subgroup_metrics(labels, probabilities, patients, classes, points, attributes or ()),
    )


def _figures(films: _Films, points: Sequence[OperatingPoint], weights: Weights) -> dict[str, Figures]:
    """Every figure whose interval is resampled, [B] for weights [B, N], by name."""
    found = {
        "auroc": macro_auroc(films.truth, films.probabilities, weights),
        "brier": brier(films.truth, films.probabilities, weights),
        "ece": ece(films.labels["argmax"] == films.truth, films.probabilities.max(axis=1), weights),
    }
    for rule, labels in films.labels.items():
        counts = confusion(films.truth, labels, len(films.classes), weights)
        by_class = f1(counts)
        found |= {f"mcc {rule}": mcc(counts), f"macro f1 {rule}": by_class.mean(axis=-1)}
        found |= {f"f1 {rule} {name}": by_class[..., index] for index, name in enumerate(films.classes)}
    for point in points:
        index = films.classes.index(point.finding)
        positive = films.truth == index
        probability = films.probabilities[:, index]
        found[f"auprc {point.finding}"] = auprc(positive, probability, weights)
        for threshold in (DEFAULT_THRESHOLD, point.threshold):
            counts = confusion(positive, probability >= threshold, 2, weights)
            found[f"f1 {point.finding} from {threshold}"] = f1(counts)[..., 1]
    return found


def _label_metrics(films: _Films, rule: str, resampled: Mapping[str, Estimate]) -> LabelMetrics:
    counts = confusion(films.truth, films.labels[rule], len(films.classes))
    hits = counts.diagonal().astype(int).tolist()
    rows = counts.sum(axis=1).astype(int).tolist()
    recalls = [wilson_interval(found, count) for found, count in zip(hits, rows, strict=True)]
    return LabelMetrics(
        rule=rule,
        accuracy=wilson_interval(sum(hits), sum(rows)),
        balanced_accuracy=mean_interval(recalls),
        macro_f1=resampled[f"macro f1 {rule}"],
        class_f1={name: resampled[f"f1 {rule} {name}"] for name in films.classes},
        mcc=resampled[f"mcc {rule}"],
        confusion=tuple(tuple(row) for row in counts.astype(int).tolist()),
    )


def _finding_metrics(
    films: _Films, finding: str, threshold: float, resampled: Mapping[str, Estimate]
) -> FindingMetrics:
    index = films.classes.index(finding)
    positive = films.truth == index
    called = films.probabilities[:, index] >= threshold
    counts = confusion(positive.astype(int), called.astype(int), 2)
    (true_negatives, false_positives), (false_negatives, true_positives) = counts.astype(int).tolist()
    return FindingMetrics(
        finding=finding,
        threshold=threshold,
        auroc=_auroc(films, finding),
        auprc=resampled[f"auprc {finding}"],
        sensitivity=wilson_interval(true_positives, true_positives + false_negatives),
        specificity=wilson_interval(true_negatives, true_negatives + false_positives),
        prevalence=float(positive.mean()),
        ppv=wilson_interval(true_positives, true_positives + false_positives) if called.any() else None,
        npv=wilson_interval(true_negatives, true_negatives + false_negatives) if not called.all() else None,
        f1=resampled[f"f1 {finding} from {threshold}"],
    )


def _auroc(films: _Films, finding: str) -> Estimate:
    index = films.classes.index(finding)
    return delong_interval(films.truth == index, films.probabilities[:, index], patients=films.patients)


def _resampled(
    films: _Films, points: Sequence[OperatingPoint]
) -> tuple[dict[str, Estimate], dict[str, NDArray[np.float64]]]:
    """Each of `_figures` with its percentile interval, and its replicates [B]."""

    def statistics(weights: Weights) -> NDArray[np.float64]:
        return np.stack(list(_figures(films, points, weights).values()), axis=1)

    values = _figures(films, points, np.ones((1, len(films.truth))))
    columns = bootstrap(statistics, films.truth, patients=films.patients).T
    replicates = dict(zip(values, columns, strict=True))
    return {name: percentile_interval(float(value[0]), replicates[name]) for name, value in values.items()}, replicates
