"""Whether one network is better than another on the same films, or a tie."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biostatistics.delong import delong_test
from biostatistics.intervals import bayesian_bootstrap, bootstrap, percentile_interval
from biostatistics.metrics import Weights, findings_auroc, macro_auroc
from schemas.model.evaluation import Comparison


def compare(
    labels: NDArray[Any],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    patients: ArrayLike,
) -> Comparison:
    """The AUROC of one network minus that of another, paired film by film, the films of a patient taken together.

    Two classes: DeLong's test. More, and findings: both are recomputed on the same 2,000 resamples of the patients; the
    percentile interval that just reaches 0 has the confidence 1 - p.

    Args:
        labels: [N], the truth; or of findings that are judged each by itself [N, K].
        first: [N, K], probabilities of one network.
        second: [N, K], of the other.
        patients: [N], who each film is of.

    Raises:
        ValueError: a class without a film, or networks of different films or classes.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; Efron and Tibshirani, An Introduction to
        the Bootstrap (1993), ch. 15; Davison and Hinkley (1997), ch. 4.2.3 (the sample itself counts as one of them).
    """
    if first.shape != second.shape or len(first) != len(labels):
        shapes = f"{first.shape} with {second.shape} for {len(labels)} labels"
        msg = f"networks are compared on the same films and classes, not {shapes}"
        raise ValueError(msg)
    if labels.ndim == 1 and first.shape[1] == 2:  # noqa: PLR2004 - one curve for two classes
        return delong_test(labels == 1, first[:, 1], second[:, 1], patients=patients)

    area = macro_auroc if labels.ndim == 1 else findings_auroc

    def difference(weights: Weights) -> NDArray[np.float64]:
        return (area(labels, first, weights) - area(labels, second, weights))[:, None]

    return _resampled(difference, labels, patients)


def _resampled(
    difference: Callable[[Weights], NDArray[np.float64]], labels: NDArray[Any], patients: ArrayLike
) -> Comparison:
    if labels.ndim == 1:
        replicates = bootstrap(difference, labels, patients=patients)[:, 0]
    else:
        replicates = bayesian_bootstrap(difference, len(labels), patients=patients)[:, 0]
    value = float(difference(np.ones((1, len(labels))))[0, 0])
    beyond = 1 + min((replicates <= 0).sum(), (replicates >= 0).sum())
    return Comparison(
        difference=percentile_interval(value, replicates),
        p_value=min(1.0, 2 * float(beyond) / (1 + len(replicates))),
    )
