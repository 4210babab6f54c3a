"""One figure over all shifts of the films: the mean balanced error, relative to that of the films as they are."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biostatistics.intervals import RESAMPLES, bootstrap, percentile_interval
from biostatistics.metrics import Weights
from schemas.model.calibration import OperatingPoint
from schemas.model.evaluation import CorruptionMean
from trainer.judging.shifts import NONE
from trainer.judging.subgroups import ScoredFilms


def corruption_mean(
    scored: Mapping[str, ScoredFilms], points: Sequence[OperatingPoint], *, resamples: int = RESAMPLES
) -> CorruptionMean | None:
    """The mean balanced error over shifts at the operating points; None where no shift was tried.

    Args:
        scored: the same N films by the name of a shift, `NONE` among them.
        points: of each finding.
        resamples: of the patients.
    """
    names = [name for name in scored if name != NONE]
    if not names or NONE not in scored:
        return None
    plain = scored[NONE]

    def errors(weights: Weights) -> NDArray[np.float64]:
        rows = [_balanced_error(scored[name], points, weights) for name in (NONE, *names)]
        return np.stack([rows[0], np.mean(rows[1:], axis=0)], axis=1)  # [B, 2]

    clean, shifted = errors(np.ones((1, len(plain.truth))))[0].tolist()
    replicates = bootstrap(errors, plain.truth, patients=plain.patients, resamples=resamples)
    defined = clean > 0 and bool((replicates[:, 0] > 0).all())
    return CorruptionMean(
        shifts=len(names),
        clean=percentile_interval(clean, replicates[:, 0]),
        shifted=percentile_interval(shifted, replicates[:, 1]),
        ratio=percentile_interval(shifted / clean, replicates[:, 1] / replicates[:, 0]) if defined else None,
    )


def _balanced_error(films: ScoredFilms, points: Sequence[OperatingPoint], weights: Weights) -> NDArray[np.float64]:
    """1 less the mean of sensitivity and specificity, the mean over the findings, [B] for weights [B, N]."""
    errors = list[NDArray[np.float64]]()
    for point in points:
        positive = films.positive(point.finding)
        wrong = (films.probability(point.finding) >= point.threshold) != positive
        errors += [(weights @ (wrong & side)) / (weights @ side) for side in (positive, ~positive)]
    return np.asarray(np.mean(errors, axis=0), np.float64)
