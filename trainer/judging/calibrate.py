"""What validation films decide of the logits: temperature, operating points and conformal quantiles."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.errors import TrainingConfigError, TrainingDataError
from schemas.model.calibration import Calibration, ConformalQuantiles, OperatingPoint, OutOfDistribution
from schemas.model.decision import softmax
from trainer.statistics.intervals import wilson_interval

Logits = NDArray[np.float32] | NDArray[np.float64]
Labels = NDArray[np.int64]

TEMPERATURES = (0.05, 20.0)

# A film that decides a limit must stay on its side of it in another runtime, whose float32 outputs differ by about 1e-6.
_ROUNDING = 1e-5


def calibrate(  # noqa: PLR0913 - what a calibration is a function of
    logits: Logits,
    labels: Labels,
    *,
    deciding: tuple[Logits, Labels] | None = None,
    classes: Sequence[str],
    negative_class: str | None,
    target_sensitivity: float,
    alpha: float,
    data: str,
    out_of_distribution: OutOfDistribution | None = None,
) -> Calibration:
    """Decide everything that turns logits into an answer.

    Args:
        logits: [V, K] of the validation films.
        labels: [V], their truth, indices into `classes`.
        deciding: logits [P, K] and truth [P] that decide temperature, thresholds and quantiles in their place, e.g. of
            the validation films under shifts; sensitivity and specificity are stated of the films themselves.
        classes: K names in the order of the logits.
        negative_class: the class that means none of the others.
        target_sensitivity: share of the films with a finding that its operating point must find.
        alpha: accepted share of the films of a class whose conformal set misses their class.
        data: the validation films in words.
        out_of_distribution: cut-offs from `trainer.distance.fit_gate`; None: distribution is not checked.

    Raises:
        TrainingConfigError: logits that are not finite.
        TrainingDataError: a class without a validation film.
    """
    if not np.isfinite(logits).all():
        msg = "the network's outputs are not finite: its training diverged; lower the learning rate or clip gradients"
        raise TrainingConfigError(msg)
    missing = [name for index, name in enumerate(classes) if not (labels == index).any()]
    if missing:
        msg = f"{data}: no film of {', '.join(missing)}; every class needs validation films to be calibrated"
        raise TrainingDataError(msg)
    seen, truth = (logits, labels) if deciding is None else deciding
    temperature = fit_temperature(seen, truth)
    probabilities = softmax(seen, temperature)
    points = tuple(
        operating_point(
            softmax(logits, temperature)[:, index],
            labels == index,
            finding=name,
            target=target_sensitivity,
            threshold=threshold_for(probabilities[truth == index, index], target_sensitivity),
            data=data,
        )
        for index, name in enumerate(classes)
        if name != negative_class
    )
    quantiles = {
        name: conformal_quantile(probabilities[truth == index, index], alpha) for index, name in enumerate(classes)
    }
    return Calibration(
        temperature=temperature,
        operating_points=points,
        conformal=ConformalQuantiles(alpha=alpha, quantiles=quantiles),
        out_of_distribution=out_of_distribution,
        data=data,
    )


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature within `TEMPERATURES` that makes the labels most likely.

    The loss is convex in 1 / temperature; its slope is bisected. Targets are those of Platt, who
    gives each class a film's worth of doubt: perfectly separated films would call for a temperature of 0.

    Args:
        logits: [V, K].
        labels: [V].

    Source: Guo et al., ICML 2017, arXiv:1706.04599; Platt, Advances in Large Margin Classifiers (1999) 61-74.
    """
    values = np.asarray(logits, np.float64)
    kinds = values.shape[1]
    counts = np.bincount(labels, minlength=kinds)[labels][:, None]
    targets = np.where(np.arange(kinds) == labels[:, None], counts + 1, 1) / (counts + kinds)
    cooler, hotter = (math.log(limit) for limit in TEMPERATURES)
    for _ in range(50):
        middle = (cooler + hotter) / 2
        # d loss / d (1 / temperature): positive where the probabilities are surer than the targets.
        slope = ((softmax(values, math.exp(middle)) - targets) * values).sum()
        cooler, hotter = (middle, hotter) if slope > 0 else (cooler, middle)
    return math.exp((cooler + hotter) / 2)


def threshold_for(probability: NDArray[np.float64], target: float) -> float:
    """The highest threshold at which at least `target` of the positive films are called.

    It lies a rounding error below the probability of the last of them.

    Args:
        probability: [P] of the finding, calibrated, of the films that have it.
        target: sensitivity to reach, in (0, 1].
    """
    found = np.sort(probability)[::-1]
    # 1e-9: 0.96 * 25 must need 24 films, not the 25 that its rounding error asks for.
    return float(found[max(1, math.ceil(target * len(found) - 1e-9)) - 1]) * (1 - _ROUNDING)


def operating_point(  # noqa: PLR0913 - what a point is a function of
    probability: NDArray[np.float64],
    positive: NDArray[np.bool_],
    *,
    finding: str,
    target: float,
    threshold: float,
    data: str,
) -> OperatingPoint:
    """A threshold with what it does on films.

    Args:
        probability: [V] of the finding, calibrated.
        positive: [V], the truth.
        finding: its name.
        target: the sensitivity that the threshold was chosen for.
        threshold: of the probability.
        data: the films in words.
    """
    called = probability >= threshold
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
