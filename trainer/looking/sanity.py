"""The sanity check of heat maps: how much of a map is left when the layers that decide are random."""

import copy
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import nn

from biostatistics.intervals import mean_estimate
from schemas.model.looking import MapSanity, RandomisedLayers
from trainer.networks.ensemble import EnsembleNetwork
from trainer.networks.gradcam import Method, explain
from trainer.networks.network import Network

Maps = NDArray[np.float32]  # [N, h, w], >= 0

LIMIT = 0.8
"""Largest accepted rank correlation once the last quarter of the layers is random."""
DECIDING = "last quarter"
STEPS = (("last layer", 0.0), (DECIDING, 0.25), ("last half", 0.5), ("all layers", 1.0))
"""Each with the share of the layers that is random; at least one."""
DRAWS = 3

_SHOWN = 0.99  # of a cell: at the edge of the lungs the guide's share is in every map

_SSIM_SIDE = 64  # maps of 7 x 7 cells are smaller than the window
_SSIM_SIGMA = 1.5
_SSIM_CONSTANTS = (0.01**2, 0.03**2)


def map_sanity(
    network: Network,
    films: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    method: Method = "gradcam",
    draws: int = DRAWS,
) -> MapSanity | None:
    """Randomise the layers from the last one down, and compare each film's map with the one before.

    The weights of a layer are permuted among themselves, so that signals neither die nor explode. A film whose map
    becomes empty counts 0: nothing of it is left.

    Args:
        network: on any device; left as it is, in eval mode.
        films: float32 [N, 1, S, S] in [0, 1], of different patients.
        targets: [N], the class that each map explains, before and after.
        method: of the maps.
        draws: random networks for each row.

    Returns:
        None where no film's map has heat.

    Source: Adebayo et al., NeurIPS 2018, arXiv:1810.03292, section 3.1.
    """
    before = explain(network, films, targets, method=method)
    hot = before.max(axis=(1, 2)) > 0
    if not hot.any():
        return None
    reached = _reached(network, films[hot], before.shape[1:])
    rows = []
    for name, share in STEPS:
        alike = []
        for draw in range(draws):
            randomised, count = _randomised(network, share, seed=draw)
            after = explain(randomised, films[hot], targets[hot], method=method)
            alike.append((rank_correlations(before[hot], after, reached), structural_similarities(before[hot], after)))
        correlation, ssim = map(mean_estimate, np.mean(alike, axis=0))
        rows.append(RandomisedLayers(layers=name, count=count, rank_correlation=correlation, ssim=ssim))
    return MapSanity(method=method, films=int(hot.sum()), draws=draws, limit=LIMIT, rows=tuple(rows))


def _reached(network: Network, films: NDArray[np.float32], cells: tuple[int, ...]) -> NDArray[np.bool_]:
    """The cells [N, h, w] that heat can reach: behind a guide those that are shown, all others in every network."""
    images = torch.from_numpy(films).to(network.mean.device)
    with torch.no_grad():
        shown = network.on_film(torch.ones(len(films), *cells, device=images.device), images)
    return shown.cpu().numpy() > _SHOWN


def rank_correlations(before: Maps, after: Maps, reached: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Spearman's correlation of every two maps, [N]; of a map without contrast 0.

    Args:
        before: [N, h, w].
        after: the same films.
        reached: [N, h, w], the cells that are compared: those that are empty in every map would make any two alike;
            None: all.
    """
    flat = (np.reshape(maps, (len(before), -1)) for maps in (before, after))
    cells = np.ones((len(before), before[0].size), bool) if reached is None else reached.reshape(len(before), -1)
    return np.array([_spearman(one[own], other[own]) for one, other, own in zip(*flat, cells, strict=True)])


def _spearman(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length > 0 else 0.0


def structural_similarities(before: Maps, after: Maps) -> NDArray[np.float64]:
    """The mean SSIM of every two maps, [N], each scaled to a maximum of 1 and enlarged to 64 x 64; of an empty map 0.

    Source: Wang et al., IEEE Trans. Image Process. 13 (2004) 600-612 (Gaussian window of sigma 1.5).
    """
    pairs = zip(_drawn(before), _drawn(after), strict=True)
    return np.array([_ssim(one, other) if one.any() and other.any() else 0.0 for one, other in pairs])


def _drawn(maps: Maps) -> NDArray[np.float64]:
    peaks = np.maximum(maps.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    side = (_SSIM_SIDE, _SSIM_SIDE)
    return np.stack([cv2.resize(map_, side, interpolation=cv2.INTER_LINEAR) for map_ in maps / peaks]).astype(float)


def _ssim(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    def local(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), _SSIM_SIGMA), np.float64)

    mean, mean_other = local(one), local(other)
    variance, variance_other = local(one * one) - mean**2, local(other * other) - mean_other**2
    covariance = local(one * other) - mean * mean_other
    first, second = _SSIM_CONSTANTS
    luminance = (2 * mean * mean_other + first) / (mean**2 + mean_other**2 + first)
    structure = (2 * covariance + second) / (variance + variance_other + second)
    return float((luminance * structure).mean())


def _randomised(network: Network, share: float, *, seed: int) -> tuple[Network, int]:
    """A copy with the last layers random, and their number."""
    changed = copy.deepcopy(network)
    random = torch.Generator().manual_seed(seed)
    members: Sequence[nn.Module] = list(changed.members) if isinstance(changed, EnsembleNetwork) else [changed]
    count = 0
    for member in members:
        layers = list(_layers(member.learner if isinstance(member, Network) else member))  # a guide draws no map
        chosen = layers[-max(1, round(share * len(layers))) :]
        count += len(chosen)
        with torch.no_grad():
            for weights in (own for layer in chosen for own in layer.parameters(recurse=False)):
                order = torch.randperm(weights.numel(), generator=random).to(weights.device)
                weights.copy_(weights.flatten()[order].view_as(weights))
    return changed, count


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    """The modules with weights of their own, from the first to the last: in the order in which they were made."""
    for module in network.modules():
        if next(module.parameters(recurse=False), None) is not None:
            yield module
