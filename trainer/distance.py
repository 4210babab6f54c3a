"""How far a film's embedding lies from those of the training films: the arrays of `OutOfDistribution`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

LARGEST_RANK = 64
SMALLEST_VARIANCE = 1e-6
"""Of a component, relative to the largest: float32 rounding is a thousandth of what is left."""


def fit_distance(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], classes: int
) -> dict[str, NDArray[np.float32]] | None:
    """Learn the whitened space in which the training films of each class scatter alike in all directions.

    The principal components come first, R of them, at most 64: of the 1,280 dimensions of an embedding most
    hold rounding error, which whitening would blow up.

    Args:
        embeddings: [T, D] of the training films.
        labels: [T], their truth; each class has a film.
        classes: K.

    Returns:
        float32 `center` [D], `projection` [D, R] and `class_means` [K, R]; None where the films of each class
        have equal embeddings: nothing scatters.

    Source: Lee et al., NeurIPS 2018, arXiv:1807.03888.
    """
    values = embeddings.astype(np.float64)
    center = values.mean(axis=0)
    centered = values - center
    variances, directions = np.linalg.eigh(centered.T @ centered / len(values))
    rank = min(LARGEST_RANK, int((variances > SMALLEST_VARIANCE * variances[-1]).sum()))
    components = directions[:, ::-1][:, :rank]  # [D, R], largest variance first
    reduced = centered @ components
    means = np.stack([reduced[labels == index].mean(axis=0) for index in range(classes)])
    residuals = reduced - means[labels]
    within = residuals.T @ residuals / len(residuals)
    if not within.trace() > SMALLEST_VARIANCE * variances.sum():
        return None
    spreads, axes = np.linalg.eigh(_shrunk(within, len(residuals)))
    whitening = axes / np.sqrt(spreads)
    return {
        "center": center.astype(np.float32),
        "projection": (components @ whitening).astype(np.float32),
        "class_means": (means @ whitening).astype(np.float32),
    }


def scores(embeddings: NDArray[np.float32], statistics: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """Distance of each film to each class, [N, K]: about 1 for a training film and its own class.

    Args:
        embeddings: [N, D].
        statistics: what `fit_distance` learnt.
    """
    projection = statistics["projection"].astype(np.float64)
    placed = (embeddings.astype(np.float64) - statistics["center"]) @ projection
    away = placed[:, None] - statistics["class_means"]
    distance: NDArray[np.float64] = np.linalg.norm(away, axis=-1) / np.sqrt(projection.shape[1])
    return distance


def _shrunk(covariance: NDArray[np.float64], films: int) -> NDArray[np.float64]:
    """A covariance [R, R] of `films` drawn towards a sphere, as far as so few films cannot tell it from one.

    Source: Chen et al., IEEE Trans. Signal Process. 58 (2010) 5016-5029 (oracle approximating shrinkage).
    """
    rank = len(covariance)
    mean = covariance.trace() / rank
    square = (covariance**2).mean()
    excess = (films + 1) * (square - mean**2 / rank)
    weight = min(1.0, (square + mean**2) / excess) if excess > 0 else 1.0
    shrunk: NDArray[np.float64] = (1 - weight) * covariance + weight * mean * np.eye(rank)
    return shrunk
