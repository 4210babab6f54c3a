"""Temperature, operating points and conformal quantiles, chosen on validation films."""

import math

import numpy as np
from numpy.typing import NDArray

from biostatistics.calibration import fit_temperature
from biostatistics.intervals import wilson_interval
from schemas.errors import TrainingConfigError, TrainingDataError
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint, OutOfDistribution
from schemas.model.decision import softmax
from trainer.films.task import Labels, Task
from trainer.judging.logits import LabelledLogits, Logits
from trainer.judging.options import JudgeOptions
from trainer.judging.subgroups import ScoredFilms

# A film that decides a limit must stay on its side of it in another runtime, whose float32 outputs differ by about
# 1e-6.
_ROUNDING = 1e-5
_MARGIN = 1e-3
"""Of a threshold below the last film that it calls, as a share: behind a guide, rounding also moves the lungs' box."""


def calibrate(
    outputs: LabelledLogits,
    task: Task,
    options: JudgeOptions,
    *,
    deciding: tuple[Logits, Labels] | None = None,
    out_of_distribution: OutOfDistribution | None = None,
) -> Calibration:
    """Decide everything that turns logits into an answer.

    Args:
        outputs: of the validation films of a task, and their truth.
        task: the classes.
        options: the sensitivity to reach, and the accepted miscoverage.
        deciding: logits [P, K] and truth [P] that decide in their place; the stated rates stay those of the films.
        out_of_distribution: cut-offs of the gate; None: distribution is not checked.

    Raises:
        TrainingConfigError: logits that are not finite.
        TrainingDataError: a class without a validation film.
    """
    _require_calibratable(outputs, task)
    logits, truth = (outputs.logits, outputs.labels) if deciding is None else deciding
    temperature = fit_temperature(logits, truth)
    probabilities = softmax(logits, temperature)
    of_class, others = (_by_class(probabilities, truth, task, own=own) for own in (True, False))
    target = options.target_sensitivity
    films = outputs.scored(task.classes, softmax(outputs.logits, temperature))
    quantiles = {name: conformal_quantile(values, options.alpha) for name, values in of_class.items()}
    return Calibration(
        temperature=temperature,
        operating_points=tuple(
            operating_point(films, name, target, threshold_for(values, others[name], target), data=outputs.in_words)
            for name, values in of_class.items()
            if name != task.negative_class
        ),
        conformal=ConformalQuantiles(alpha=options.alpha, quantiles=quantiles),
        out_of_distribution=out_of_distribution,
        data=outputs.in_words,
    )


def _by_class(
    probabilities: NDArray[np.float64], truth: Labels, task: Task, *, own: bool
) -> dict[str, NDArray[np.float64]]:
    """The probabilities of each class, of the films of that class, or of all others."""
    return {name: probabilities[(truth == index) == own, index] for index, name in enumerate(task.classes)}


def _require_calibratable(outputs: LabelledLogits, task: Task) -> None:
    if not np.isfinite(outputs.logits).all():
        msg = "the network's outputs are not finite: its training diverged; lower the learning rate or clip gradients"
        raise TrainingConfigError(msg)
    missing = [name for index, name in enumerate(task.classes) if not (outputs.labels == index).any()]
    if missing:
        msg = (
            f"{outputs.in_words}: no film of {', '.join(missing)}; every class needs validation films to be calibrated"
        )
        raise TrainingDataError(msg)


def threshold_for(probability: NDArray[np.float64], others: NDArray[np.float64], target: float) -> float:
    """The highest threshold, within a thousandth, at which at least `target` of the positive films are called.

    It lies below the probability of the last of them, in the middle to that of the next film or a thousandth below:
    another runtime, whose probabilities differ a little, then calls the same films.

    Args:
        probability: [P] of the finding, calibrated, of the films that have it.
        others: [Q], of those that do not.
        target: sensitivity to reach, in (0, 1].
    """
    ranked = np.sort(probability)[::-1]
    # 1e-9: 0.96 * 25 must need 24 films, not the 25 that its rounding error asks for.
    last = float(ranked[max(1, math.ceil(target * len(ranked) - 1e-9)) - 1])
    films = np.concatenate([probability, others])
    following = float(films[films < last].max(initial=0.0))
    return max((last + following) / 2, last * (1 - _MARGIN))


def operating_point(films: ScoredFilms, finding: str, target: float, threshold: float, *, data: str) -> OperatingPoint:
    """A threshold with its sensitivity and specificity on films.

    Args:
        films: with their calibrated probabilities.
        finding: its name.
        target: the sensitivity that the threshold was chosen for.
        threshold: of the probability.
        data: the films in words.
    """
    films = films.known(finding)
    positive = films.positive(finding)
    called = films.probability(finding) >= threshold
    return OperatingPoint(
        finding=finding,
        threshold=threshold,
        target_sensitivity=target,
        sensitivity=wilson_interval(int((called & positive).sum()), int(positive.sum())),
        specificity=wilson_interval(int((~called & ~positive).sum()), int((~positive).sum())),
        data=data,
    )


def conformal_quantile(probability: NDArray[np.float64], alpha: float) -> float:
    """The quantile of 1 - p that holds a new film of the class with probability at least 1 - alpha.

    Args:
        probability: [n], of their own class, of the validation films of one class.
        alpha: accepted share of misses; where n films cannot promise it, the quantile is 1: always in the set.

    Source: Vovk, Gammerman and Shafer (2005), ch. 4.5; Angelopoulos and Bates, arXiv:2107.07511, ch. 1 (the n + 1).
    """
    nonconformity = np.sort(1 - probability)
    rank = math.ceil((len(nonconformity) + 1) * (1 - alpha) - 1e-9)
    if rank > len(nonconformity):
        return 1.0
    return min(1.0, float(nonconformity[rank - 1]) + _ROUNDING)
