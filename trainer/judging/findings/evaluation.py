"""The evaluation of findings that are judged each by itself: each on the films on which it is known."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biostatistics.intervals import RESAMPLES, bayesian_bootstrap, ece_interval, mean_interval, percentile_interval
from biostatistics.metrics import Figures, Weights, auprc, certain, confusion, ece, f1, findings_auroc
from schemas.estimate import Estimate
from schemas.model.calibration import Calibration, OperatingPoint
from schemas.model.decision import NO_FINDING, calibrated
from schemas.model.evaluation import Evaluation, FindingMetrics, SubgroupMetrics
from trainer.films.task import Labels, Task
from trainer.judging.bands import probability_bands
from trainer.judging.evaluate import DEFAULT_THRESHOLD, finding_auroc, finding_metrics, shift_rows
from trainer.judging.findings.calibration import require_both
from trainer.judging.logits import LabelledLogits
from trainer.judging.subgroups import ScoredFilms, subgroup_metrics


def evaluate_findings(
    outputs: LabelledLogits, task: Task, calibration: Calibration, *, resamples: int = RESAMPLES
) -> Evaluation:
    """Measure a calibrated network on a set of films, on each group of them, and under each shift that was tried.

    Intervals as of `trainer.judging.evaluate.evaluate`; what is recomputed is recomputed on reweighted patients.

    Args:
        outputs: logits, truth [N, K], patients and attributes of the films.
        task: the findings.
        calibration: what validation decided.
        resamples: number of reweightings.

    Raises:
        TrainingDataError: a finding that no film has, or that none is known not to have.
    """
    require_both(outputs, task, "a network is judged on films with each finding and without it")
    points = calibration.operating_points
    films = outputs.scored(task.classes, calibrated(outputs.logits, calibration, task.classes))
    estimates = _estimates(films, points, resamples)
    class_auroc = {name: finding_auroc(films.known(name), name) for name in task.classes}
    return Evaluation(
        data=outputs.data,
        data_sha256=outputs.data_sha256,
        films=len(outputs.labels),
        patients=len(set(outputs.patients)),
        unknown_patients=outputs.unknown_patients,
        class_counts=finding_counts(outputs.labels, task.classes),
        auroc=_macro(estimates["auroc"], class_auroc),
        class_auroc=class_auroc,
        brier=estimates["brier"],
        ece=_mean([estimates[f"ece {name}"] for name in task.classes]),
        labels=(),
        findings=_findings(films, points, estimates),
        subgroups=_with_figures(subgroup_metrics(films, points, outputs.attributes)),
        shifts=shift_rows(outputs, task, calibration),
        bands=probability_bands(films, task.classes),
    )


def _findings(
    films: ScoredFilms, points: Sequence[OperatingPoint], estimates: Mapping[str, Estimate]
) -> tuple[FindingMetrics, ...]:
    return tuple(
        finding_metrics(films.known(point.finding), point.finding, threshold, estimates)
        for point in points
        for threshold in (DEFAULT_THRESHOLD, point.threshold)
    )


def _with_figures(rows: Sequence[SubgroupMetrics]) -> tuple[SubgroupMetrics, ...]:
    """Those that have any figure: many findings in many small groups would hide them."""
    return tuple(row for row in rows if (row.auroc, row.sensitivity, row.specificity) != (None, None, None))


def finding_counts(labels: Labels, findings: Sequence[str]) -> dict[str, int]:
    """The films with each finding, and those with none of which it is known."""
    present = labels == 1
    counts = dict(zip(findings, present.sum(axis=0).tolist(), strict=True))
    return {**counts, NO_FINDING: int((~present.any(axis=1)).sum())}


def _estimates(films: ScoredFilms, points: Sequence[OperatingPoint], resamples: int) -> dict[str, Estimate]:
    """Each of `_figures` with its interval."""

    def statistics(weights: Weights) -> NDArray[np.float64]:
        return np.stack(list(_figures(films, points, weights).values()), axis=1)

    values = _figures(films, points, np.ones((1, len(films.truth))))
    columns = bayesian_bootstrap(statistics, len(films.truth), patients=films.patients, resamples=resamples).T
    replicates = dict(zip(values, columns, strict=True))
    estimates = {name: percentile_interval(float(value[0]), replicates[name]) for name, value in values.items()}
    return estimates | _calibration_errors(films, replicates)


def _calibration_errors(films: ScoredFilms, replicates: Mapping[str, NDArray[np.float64]]) -> dict[str, Estimate]:
    errors = {}
    for name in films.classes:
        known = films.known(name)
        errors[f"ece {name}"] = ece_interval(known.positive(name), known.probability(name), replicates[f"ece {name}"])
    return errors


def _figures(films: ScoredFilms, points: Sequence[OperatingPoint], weights: Weights) -> dict[str, Figures]:
    """Every figure whose interval is resampled, [B] for weights [B, N], by name."""
    figures = {"auroc": findings_auroc(films.truth, films.probabilities, weights)}
    for point in points:
        name = point.finding
        known = certain(films.truth[:, films.classes.index(name)])
        judged = films.known(name)
        positive = judged.positive(name)
        probability = judged.probability(name)
        counted = weights[:, known]
        figures[f"auprc {name}"] = auprc(positive, probability, counted)
        figures[f"brier {name}"] = counted @ (probability - positive) ** 2 / counted.sum(axis=1)
        figures[f"ece {name}"] = ece(positive, probability, counted)
        for threshold in (DEFAULT_THRESHOLD, point.threshold):
            counts = confusion(positive, probability >= threshold, 2, counted)
            figures[f"f1 {name} from {threshold}"] = f1(counts)[..., 1]
    figures["brier"] = np.mean([figures[f"brier {point.finding}"] for point in points], axis=0)
    return figures


def _macro(mean: Estimate, areas: Mapping[str, Estimate]) -> Estimate:
    """The mean area; where no film of any finding is out of order no reweighting moves it: then by their intervals."""
    return mean if mean.low < mean.high else mean_interval(list(areas.values()))


def _mean(parts: Sequence[Estimate]) -> Estimate:
    """The mean of figures, with the mean of their limits: as wide as if all of them erred together.

    How the errors of calibration of several findings hang together is not known; this interval holds in any case.
    """
    value, low, high = (float(np.mean([getattr(part, end) for part in parts])) for end in ("value", "low", "high"))
    return Estimate(value=value, low=low, high=high)
