"""Scaling, operating point and two conformal quantiles of each finding that is judged by itself, from validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biostatistics.metrics import certain
from schemas.errors import TrainingConfigError, TrainingDataError
from schemas.model.calibration import Calibration, ConformalQuantiles, LogitScaling, OutOfDistribution
from trainer.films.task import Labels, Task
from trainer.judging.calibrate import conformal_quantile, operating_point, threshold_for
from trainer.judging.findings.platt import fit_scaling, scaled
from trainer.judging.logits import LabelledLogits, Logits
from trainer.judging.options import JudgeOptions


def calibrate_findings(
    outputs: LabelledLogits,
    task: Task,
    options: JudgeOptions,
    *,
    deciding: tuple[Logits, Labels] | None = None,
    out_of_distribution: OutOfDistribution | None = None,
) -> Calibration:
    """Decide everything that turns logits into an answer about each finding, each from the films where it is known.

    Args:
        outputs: of the validation films, and what is known of their findings.
        task: the findings.
        options: the sensitivity to reach, and the accepted miscoverage of a presence and of an absence.
        deciding: logits [P, K] and truth [P, K] that decide in their place; the stated rates stay those of the films.
        out_of_distribution: cut-offs of the gate; None: distribution is not checked.

    Raises:
        TrainingConfigError: logits that are not finite.
        TrainingDataError: a finding that no validation film has, or that none is known not to have.
    """
    _require_calibratable(outputs, task)
    decided = _decide(task, *((outputs.logits, outputs.labels) if deciding is None else deciding))
    columns = [scaled(outputs.logits[:, index], decided.scaling[name]) for index, name in enumerate(task.classes)]
    films = outputs.scored(task.classes, np.stack(columns, axis=1))
    target = options.target_sensitivity
    points = (
        operating_point(films, name, target, threshold_for(values, decided.absent[name], target), data=outputs.in_words)
        for name, values in decided.present.items()
    )
    return Calibration(
        temperature=1.0,
        scaling=decided.scaling,
        operating_points=tuple(points),
        conformal=_conformal(decided, options.alpha),
        out_of_distribution=out_of_distribution,
        data=outputs.in_words,
    )


@dataclass(frozen=True, slots=True)
class _Decided:
    """The scaling of each finding, and the probabilities that it gives the films with the finding and without it."""

    scaling: dict[str, LogitScaling]
    present: dict[str, NDArray[np.float64]]
    absent: dict[str, NDArray[np.float64]]


def _decide(task: Task, logits: Logits, truth: Labels) -> _Decided:
    decided = _Decided({}, {}, {})
    for index, name in enumerate(task.classes):
        known = certain(truth[:, index])
        has = truth[known, index] == 1
        decided.scaling[name] = fit_scaling(logits[known, index], has)
        probabilities = scaled(logits[known, index], decided.scaling[name])
        decided.present[name] = probabilities[has]
        decided.absent[name] = probabilities[~has]
    return decided


def _conformal(decided: _Decided, alpha: float) -> ConformalQuantiles:
    return ConformalQuantiles(
        alpha=alpha,
        quantiles={name: conformal_quantile(values, alpha) for name, values in decided.present.items()},
        absent={name: conformal_quantile(1 - values, alpha) for name, values in decided.absent.items()},
    )


def _require_calibratable(outputs: LabelledLogits, task: Task) -> None:
    if not np.isfinite(outputs.logits).all():
        msg = "the network's outputs are not finite: its training diverged; lower the learning rate or clip gradients"
        raise TrainingConfigError(msg)
    require_both(outputs, task, "every finding needs validation films with it and without it to be calibrated")


def require_both(outputs: LabelledLogits, task: Task, reason: str) -> None:
    """Every finding must be there on a film, and be known to be absent on another.

    Raises:
        TrainingDataError: one is not.
    """
    for value, what in ((1, "no film of"), (0, "no film without")):
        missing = [name for index, name in enumerate(task.classes) if not (outputs.labels[:, index] == value).any()]
        if missing:
            msg = f"{outputs.in_words}: {what} {', '.join(missing)}; {reason}"
            raise TrainingDataError(msg)
