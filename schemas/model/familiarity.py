"""How far a film lies from the training films: one rule for the trainer's cut-offs and the service's checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.errors import BundleError

THUMBNAIL: Final = "thumbnail_"
"""Prefix of the arrays of the thumbnails' space; those of the embeddings have none."""

Vectors = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Space:
    """What is usual among the training films in one description of a film, D numbers long.

    Invariant: the shapes fit one another; `__post_init__` refuses others.
    """

    center: NDArray[np.float64]  # [D]
    projection: NDArray[np.float64]  # [D, R], whitening
    class_means: NDArray[np.float64]  # [K, R]
    components: NDArray[np.float64] | None = None  # [D, R], orthonormal; None: they leave nothing over

    def __post_init__(self) -> None:
        size, rank = self.projection.shape if self.projection.ndim == 2 else (0, 0)  # noqa: PLR2004 - a matrix
        sizes = (
            self.center.shape,
            self.class_means.shape[1:],
            None if self.components is None else self.components.shape,
        )
        if rank == 0 or sizes not in (((size,), (rank,), None), ((size,), (rank,), (size, rank))):
            msg = "the arrays of a space have shapes that do not fit one another; export the bundle again"
            raise BundleError(msg)

    def distances(self, vectors: Vectors) -> NDArray[np.float64]:
        """What is unusual about vectors [N, D], as seen from each class: [N, K, 2], or [N, K, 1] without `components`.

        First the whitened distance to the class, about 1 for a training film: too much of what varies among films.
        Then the length of what the components leave over, the same for every class: something that no film has.

        Source: Lee et al., NeurIPS 2018, arXiv:1807.03888; Wang et al. (ViM), CVPR 2022, arXiv:2203.10807.
        """
        centered = vectors.astype(np.float64) - self.center
        away = (centered @ self.projection)[:, None] - self.class_means
        distances = [np.linalg.norm(away, axis=-1) / np.sqrt(self.projection.shape[1])]
        if self.components is not None:
            squares = (centered**2).sum(axis=1) - ((centered @ self.components) ** 2).sum(axis=1)
            distances.append(np.broadcast_to(np.sqrt(np.maximum(squares, 0))[:, None], distances[0].shape))
        return np.stack(distances, axis=-1)


@dataclass(frozen=True, slots=True)
class Familiarity:
    """The arrays of `schemas.model.calibration.OutOfDistribution`, checked.

    Invariant: spaces and scales are of the same K classes, and there is a scale for each distance.
    """

    embedding: Space
    thumbnail: Space | None  # None: the thumbnails of the training films are all alike
    scales: NDArray[np.float64]  # [K, P]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Familiarity":
        """Read the statistics of a bundle.

        Raises:
            BundleError: arrays are missing or do not fit one another.
        """
        (scales,) = _arrays(arrays, "scales")
        embedding = _space(arrays, "")
        thumbnail = _space(arrays, THUMBNAIL) if f"{THUMBNAIL}center" in arrays else None
        spaces = [embedding, *([] if thumbnail is None else [thumbnail])]
        expected = (len(embedding.class_means), sum(1 + (space.components is not None) for space in spaces))
        alike = all(len(space.class_means) == expected[0] for space in spaces)
        if not alike or scales.shape != expected or not (scales > 0).all():
            msg = "the scales of the out-of-distribution distances do not fit the spaces; export the bundle again"
            raise BundleError(msg)
        return cls(embedding, thumbnail, scales)

    def scores(self, embeddings: Vectors, thumbnails: Vectors) -> NDArray[np.float64]:
        """The largest distance of each film as seen from each class, in units of what is large in the class: [N, K].

        Args:
            embeddings: [N, D].
            thumbnails: [N, T], from `imaging.thumbnail`.
        """
        largest: NDArray[np.float64] = (self.distances(embeddings, thumbnails) / self.scales).max(axis=-1)
        return largest

    def distances(self, embeddings: Vectors, thumbnails: Vectors) -> NDArray[np.float64]:
        """All distances [N, K, P] of films, first those of the embedding."""
        distances = [self.embedding.distances(embeddings)]
        if self.thumbnail is not None:
            distances.append(self.thumbnail.distances(thumbnails))
        return np.concatenate(distances, axis=-1)


def unfamiliarity(scores: NDArray[np.float64], cutoffs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores [N, K] of films against the cut-off of the class that they are nearest to: [N], above 1 is unfamiliar.

    The nearest class, not the one that the network names: so each class's films pass as often as its own cut-off
    promises, whatever the network calls them.
    """
    nearest: NDArray[np.float64] = (scores / cutoffs).min(axis=-1)
    return nearest


def _space(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Space:
    center, projection, class_means = _arrays(
        arrays, *(prefix + name for name in ("center", "projection", "class_means"))
    )
    components = arrays.get(f"{prefix}components")
    return Space(center, projection, class_means, None if components is None else components.astype(np.float64))


def _arrays(arrays: Mapping[str, NDArray[Any]], *names: str) -> list[NDArray[np.float64]]:
    try:
        return [arrays[name].astype(np.float64) for name in names]
    except KeyError as error:
        msg = f"the out-of-distribution statistics lack {error.args[0]}; export the bundle again"
        raise BundleError(msg) from error
