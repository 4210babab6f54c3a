"""The gate against unfamiliar images: what is usual among training films, and how far validation films lie from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging.thumbnail import thumbnails
from schemas.errors import TrainingConfigError
from schemas.model.calibration import OutOfDistribution
from schemas.model.familiarity import THUMBNAIL, Familiarity, Vectors, unfamiliarity
from trainer.films.task import LabelledFilms, Labels
from trainer.networks.inference import outputs, seen
from trainer.networks.network import Network

Statistics = dict[str, NDArray[np.float32]]

LARGEST_RANK = 64
SMALLEST_VARIANCE = 1e-6
"""Of a component, relative to the largest: float32 rounding is a thousandth of what is left."""
ACCEPTED_SHARE = 0.98
SCALED_SHARE = 0.95
"""Share of the validation films of a class below the distance that counts 1: all kinds weigh alike in the largest."""

# A film that decides a cut-off must stay within it in another runtime, whose float32 outputs differ by about 1e-6.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class GateInputs:
    """What the gate needs of N films."""

    embeddings: Vectors  # [N, D]
    thumbnails: Vectors  # [N, T]
    labels: Labels  # [N], or of findings [N, K]

    def members(self, groups: int) -> NDArray[np.bool_]:
        """Which films belong to each group, [N, G]: to their class; or to each finding that they have, or to none.

        A group without a film is that of films without any finding, where every film has one: it looks like all films.
        """
        if self.labels.ndim == 1:
            return np.equal(self.labels[:, None], np.arange(groups))
        present = self.labels == 1
        none = ~present.any(axis=1)
        return np.column_stack([present, none if none.any() else np.ones(len(none), bool)])


def gate_inputs(network: Network, films: LabelledFilms) -> tuple[NDArray[np.float32], GateInputs]:
    """Logits [V, K] of films, and what the gate needs of them."""
    logits, embeddings = (part.numpy() for part in outputs(network, films.films))
    frames = thumbnails(films.films, seen(network, films.films).get("lungs"))
    return logits, GateInputs(embeddings, frames, films.labels)


def fit_gate(
    train: GateInputs, validation: GateInputs, groups: Sequence[str]
) -> tuple[OutOfDistribution, Statistics] | None:
    """Learn what is usual from training films, and by validation films how unusual is too unusual, group by group.

    Args:
        train: films that the network was trained on.
        validation: films that it was not; each class has one.
        groups: names of the classes; of findings also of the films with none of them.

    Returns:
        The cut-offs, and the arrays of `OutOfDistribution`; None where no film differs from others.

    Raises:
        TrainingConfigError: embeddings that are not finite.
    """
    if not all(np.isfinite(films.embeddings).all() for films in (train, validation)):
        msg = "the network's outputs are not finite: its training diverged; lower the learning rate or clip gradients"
        raise TrainingConfigError(msg)
    members = train.members(len(groups))
    arrays = fit_space(train.embeddings, members)
    if arrays is None:
        return None
    frames = fit_space(train.thumbnails, members) or {}
    arrays |= {THUMBNAIL + name: array for name, array in frames.items()}
    spaces = Familiarity.from_arrays(arrays | {"scales": _ones(arrays, len(groups))})
    distances = spaces.distances(validation.embeddings, validation.thumbnails)
    unseen = validation.members(len(groups))
    own = [distances[unseen[:, index], index] for index in range(len(groups))]  # G of [n, P]
    scales = np.stack([np.quantile(of_class, SCALED_SHARE, axis=0) for of_class in own])
    arrays["scales"] = np.maximum(scales, np.finfo(np.float32).tiny).astype(np.float32)
    cutoffs = {
        name: (1 + _ROUNDING) * _cutoff((of_class / arrays["scales"][index]).max(axis=1), ACCEPTED_SHARE)
        for index, (name, of_class) in enumerate(zip(groups, own, strict=True))
    }
    return OutOfDistribution(cutoffs=cutoffs, accepted_share=ACCEPTED_SHARE), arrays


def films_unfamiliarity(
    distribution: OutOfDistribution, arrays: Mapping[str, NDArray[np.float32]], films: GateInputs
) -> NDArray[np.float64]:
    """How unlike the training films each film is, [N]; above 1 the service gives no answer to it.

    Args:
        distribution: the cut-offs, in the order of the classes.
        arrays: of `fit_gate`.
        films: N films.
    """
    scores = Familiarity.from_arrays(arrays).scores(films.embeddings, films.thumbnails)
    return unfamiliarity(scores, np.array(list(distribution.cutoffs.values())))


def fit_space(vectors: Vectors, members: NDArray[np.bool_]) -> Statistics | None:
    """Learn the whitened space in which the training films of each class scatter alike in all directions.

    The principal components come first, R of them, at most 64: of the 1,280 dimensions of an embedding most
    hold rounding error, which whitening would blow up.

    Args:
        vectors: [T, D] of the training films.
        members: [T, K], the classes of each film; each class has a film, and a film may be of several: it then counts
            in each of them as a part of a film.

    Returns:
        float32 `center` [D], `projection` [D, R], `class_means` [K, R] and, where they leave something over,
        the `components` [D, R]; None where the films of each class are equal: nothing scatters.

    Source: Lee et al., NeurIPS 2018, arXiv:1807.03888.
    """
    values = vectors.astype(np.float64)
    center = values.mean(axis=0)
    centered = values - center
    variances, directions = np.linalg.eigh(centered.T @ centered / len(values))
    rank = min(LARGEST_RANK, int((variances > SMALLEST_VARIANCE * variances[-1]).sum()))
    components = directions[:, ::-1][:, :rank]  # [D, R], largest variance first
    reduced = centered @ components
    means = np.stack([reduced[of_class].mean(axis=0) for of_class in members.T])
    films, classes = np.nonzero(members)
    residuals = (reduced[films] - means[classes]) / np.sqrt(members.sum(axis=1)[films])[:, None]
    within = residuals.T @ residuals / len(values)
    if not within.trace() > SMALLEST_VARIANCE * variances.sum():
        return None
    spreads, axes = np.linalg.eigh(_shrunk(within, len(values)))
    whitening = axes / np.sqrt(spreads)
    left_over = variances[:-rank].sum() > SMALLEST_VARIANCE * variances.sum()
    return {
        "center": center.astype(np.float32),
        "projection": (components @ whitening).astype(np.float32),
        "class_means": (means @ whitening).astype(np.float32),
        **({"components": components.astype(np.float32)} if left_over else {}),
    }


def _ones(arrays: Mapping[str, NDArray[np.float32]], classes: int) -> NDArray[np.float32]:
    """Scales that leave every distance of these spaces as it is."""
    kinds = sum(name.endswith(("projection", "components")) for name in arrays)
    return np.ones((classes, kinds), np.float32)


def _cutoff(scores: NDArray[np.float64], share: float) -> float:
    """The score within which a new film of the class stays with this probability; the largest where films are too few.

    Source: Vovk, Gammerman and Shafer (2005), ch. 4.5; the film itself counts, hence n + 1.
    """
    rank = math.ceil((len(scores) + 1) * share - 1e-9)
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


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
