"""Figures of many heat maps: where their mass lies, how alike they are, and how much of it lies on the border."""

import math

import numpy as np
from numpy.typing import NDArray

from biostatistics.intervals import estimate, normal_quantile
from schemas.estimate import Estimate

Maps = NDArray[np.float32] | NDArray[np.float64]  # [N, h, w], >= 0

FRAME = 0.1
"""Width of the border that holds no lung, as a share of the film's side."""
FRAME_AREA = 1 - (1 - 2 * FRAME) ** 2
"""Share of the film that the border covers, 0.36: what a map that looks everywhere alike puts there."""

_FLAT = 1e-12  # contrast of a map of mass 1 that is rounding error


def with_heat(maps: Maps) -> NDArray[np.float64]:
    """The maps that have any, each scaled to a mass of 1: no film counts more for the size of its gradients."""
    hot = maps[maps.max(axis=(1, 2)) > 0].astype(np.float64)
    scaled: NDArray[np.float64] = hot / hot.sum(axis=(1, 2), keepdims=True)
    return scaled


def centers_of_mass(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the mass of each map lies on average: [N, 2], (x, y) in [0, 1] from the top left corner.

    Args:
        maps: of mass 1.
    """
    rows, columns = maps.shape[1:]
    x = maps.sum(axis=1) @ ((np.arange(columns) + 0.5) / columns)
    y = maps.sum(axis=2) @ ((np.arange(rows) + 0.5) / rows)
    return np.stack([x, y], axis=1)


def border_shares(maps: NDArray[np.float64], *, frame: float = FRAME) -> NDArray[np.float64]:
    """Share of each map's mass that lies on the border, [N]; a cell's mass is spread evenly over the cell.

    Args:
        maps: of mass 1.
        frame: width of the border, as a share of the side.
    """
    inside = [_inside(cells, frame) for cells in maps.shape[1:]]
    return 1 - np.asarray(np.einsum("nhw,h,w->n", maps, *inside))


def consistency(maps: NDArray[np.float64]) -> Estimate:
    """Mean correlation of two maps of different films, in [-1, 1]; a map without any contrast correlates with none.

    The interval is the jackknife's: a bootstrap would pair a film with itself.

    Args:
        maps: of independent films, at least three.

    Source: Arvesen, Ann. Math. Stat. 40 (1969) 2076-2100 (jackknife of U-statistics).
    """
    flat = maps.reshape(len(maps), -1)
    centered = flat - flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centered, axis=1, keepdims=True)
    unit = np.divide(centered, lengths, out=np.zeros_like(centered), where=lengths > _FLAT)
    pairs = unit @ unit.T
    np.fill_diagonal(pairs, 0)
    count = len(pairs)
    total = pairs.sum()
    own = pairs.sum(axis=1)
    value = total / (count * (count - 1))
    without = (total - 2 * own) / ((count - 1) * (count - 2))
    half = normal_quantile(0.95) * math.sqrt((count - 1) * float(without.var()))
    return estimate(float(value), max(-1.0, value - half), min(1.0, value + half))


def looks_at_the_border(share: Estimate) -> bool:
    """The shortcut alarm: the maps surely put more on the border than its share of the film.

    Surely: the whole interval of the mean share lies above it. Markers, burned-in text and collimator edges
    stand on the border, lungs do not.

    Source: Zech et al., PLoS Medicine 15 (2018) e1002683; DeGrave et al., Nature Machine Intelligence 3 (2021) 610-619.
    """
    return share.low > FRAME_AREA


def _inside(cells: int, frame: float) -> NDArray[np.float64]:
    """Share of each of a row's cells that lies within the frame, [cells]."""
    edges = np.linspace(0, 1, cells + 1)
    inner = np.clip(edges, frame, 1 - frame)
    share: NDArray[np.float64] = np.diff(inner) * cells
    return share
