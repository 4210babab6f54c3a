"""Whether one network is better than another on the same films, or a tie."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schemas.model.evaluation import Comparison
from trainer.statistics.delong import delong_test
from trainer.statistics.intervals import bootstrap, percentile_interval
from trainer.statistics.metrics import Weights, macro_auroc


def compare(
    labels: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    patients: ArrayLike,
) -> Comparison:
    """The AUROC of one network minus that of another, paired film by film, the films of a patient taken together.

    Two classes: DeLong's test. More: both are recomputed on the same 2,000 resamples of the patients; the percentile
    interval that just reaches 0 has the confidence 1 - p.

    Args:
        labels: [N], the truth.
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
    if first.shape[1] == 2:  # noqa: PLR2004 - one curve for two classes
        return delong_test(labels == 1, first[:, 1], second[:, 1], patients=patients)

    def difference(weights: Weights) -> NDArray[np.float64]:
        return (macro_auroc(labels, first, weights) - macro_auroc(labels, second, weights))[:, None]

    value = float(difference(np.ones((1, len(labels))))[0, 0])
    replicates = bootstrap(difference, labels, patients=patients)[:, 0]
    beyond = 1 + min((replicates <= 0).sum(), (replicates >= 0).sum())
    return Comparison(
        difference=percentile_interval(value, replicates),
        p_value=min(1.0, 2 * float(beyond) / (1 + len(replicates))),
    )
