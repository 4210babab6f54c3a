"""What a network's outputs are worth on a set of films: every figure with its interval, for both rules of labelling."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from schemas.calibration import Calibration
from schemas.decision import finding_label, softmax
from schemas.errors import TrainingDataError
from schemas.estimate import Estimate
from schemas.evaluation import Evaluation, FindingMetrics, LabelMetrics
from trainer.delong import delong_interval
from trainer.intervals import bootstrap, ece_interval, mean_interval, percentile_interval, wilson_interval
from trainer.metrics import Figures, Weights, auprc, brier, confusion, ece, f1, macro_auroc, mcc

DEFAULT_THRESHOLD = 0.5

Labels = NDArray[np.int64]
Figure = Callable[[Weights], Figures]


@dataclass(frozen=True, slots=True)
class _Films:
    """A set of films: the truth, and what a network says."""

    classes: Sequence[str]
    patients: Sequence[str]
    truth: Labels  # [N]
    probabilities: NDArray[np.float64]  # [N, K], calibrated
    labels: Mapping[str, Labels]  # [N] by rule


def evaluate(  # noqa: PLR0913, PLR0917 - what an evaluation is a function of
    logits: NDArray[np.float32],
    labels: Labels,
    patients: Sequence[str],
    calibration: Calibration,
    classes: Sequence[str],
    negative_class: str | None,
    *,
    data: str,
    data_sha256: str,
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
    correct, confidence = by_rule["argmax"] == labels, probabilities.max(axis=1)
    figures: dict[str, Figure] = {
        "auroc": partial(macro_auroc, labels, probabilities),
        "brier": partial(brier, labels, probabilities),
        "ece": partial(ece, correct, confidence),
        **{f"f1 {rule}": _macro_f1(films, rule) for rule in by_rule},
        **{f"auprc {point.finding}": _auprc(films, point.finding) for point in points},
    }
    estimates, replicates = _resampled(films, figures)
    return Evaluation(
        data=data,
        data_sha256=data_sha256,
        films=len(labels),
        patients=len(set(patients)),
        class_counts=counts,
        auroc=estimates["auroc"] if len(classes) > 2 else _auroc(films, classes[1]),  # noqa: PLR2004 - one curve for two
        brier=estimates["brier"],
        ece=ece_interval(correct, confidence, replicates["ece"]),
        labels=tuple(_label_metrics(films, rule, estimates[f"f1 {rule}"]) for rule in by_rule),
        findings=tuple(
            _finding_metrics(films, point.finding, threshold, estimates[f"auprc {point.finding}"])
            for point in points
            for threshold in (DEFAULT_THRESHOLD, point.threshold)
        ),
    )


def _label_metrics(films: _Films, rule: str, macro_f1: Estimate) -> LabelMetrics:
    counts = confusion(films.truth, films.labels[rule], len(films.classes))
    hits = counts.diagonal().astype(int).tolist()
    rows = counts.sum(axis=1).astype(int).tolist()
    recalls = [wilson_interval(found, count) for found, count in zip(hits, rows, strict=True)]
    return LabelMetrics(
        rule=rule,
        accuracy=wilson_interval(sum(hits), sum(rows)),
        balanced_accuracy=mean_interval(recalls),
        macro_f1=macro_f1,
        mcc=float(mcc(counts)),
        confusion=tuple(tuple(row) for row in counts.astype(int).tolist()),
    )


def _finding_metrics(films: _Films, finding: str, threshold: float, area: Estimate) -> FindingMetrics:
    index = films.classes.index(finding)
    positive, called = films.truth == index, films.probabilities[:, index] >= threshold
    counts = confusion(positive.astype(int), called.astype(int), 2)
    (true_negatives, false_positives), (false_negatives, true_positives) = counts.astype(int).tolist()
    return FindingMetrics(
        finding=finding,
        threshold=threshold,
        auroc=_auroc(films, finding),
        auprc=area,
        sensitivity=wilson_interval(true_positives, true_positives + false_negatives),
        specificity=wilson_interval(true_negatives, true_negatives + false_positives),
        prevalence=float(positive.mean()),
        ppv=wilson_interval(true_positives, true_positives + false_positives) if called.any() else None,
        npv=wilson_interval(true_negatives, true_negatives + false_negatives) if not called.all() else None,
        f1=float(f1(counts)[1]),
    )


def _auroc(films: _Films, finding: str) -> Estimate:
    index = films.classes.index(finding)
    return delong_interval(films.truth == index, films.probabilities[:, index], patients=films.patients)


def _macro_f1(films: _Films, rule: str) -> Figure:
    def macro_f1(weights: Weights) -> Figures:
        mean: Figures = f1(confusion(films.truth, films.labels[rule], len(films.classes), weights)).mean(axis=-1)
        return mean

    return macro_f1


def _auprc(films: _Films, finding: str) -> Figure:
    index = films.classes.index(finding)
    return partial(auprc, films.truth == index, films.probabilities[:, index])


def _resampled(
    films: _Films, figures: Mapping[str, Figure]
) -> tuple[dict[str, Estimate], dict[str, NDArray[np.float64]]]:
    """Each figure with its percentile interval, and its replicates [B]."""

    def statistics(weights: Weights) -> NDArray[np.float64]:
        return np.stack([figure(weights) for figure in figures.values()], axis=1)

    values = statistics(np.ones((1, len(films.truth))))[0].tolist()
    columns = bootstrap(statistics, films.truth, patients=films.patients).T
    replicates = dict(zip(figures, columns, strict=True))
    estimates = {
        name: percentile_interval(value, replicates[name]) for name, value in zip(figures, values, strict=True)
    }
    return estimates, replicates
