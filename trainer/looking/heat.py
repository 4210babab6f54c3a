"""Heat maps against regions: how much of the heat lies inside, and where the hottest point is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from biostatistics.intervals import bootstrap, percentile_interval, wilson_interval
from schemas.estimate import Estimate
from schemas.model.looking import POINTING_TOLERANCE, Pointing, RegionHeat

Maps = NDArray[np.float32]  # [N, h, w], >= 0
Regions = NDArray[np.bool_]  # [N, S, S]

FEWEST_FILMS = 10
"""Of fewer maps no interval is to be believed."""


@dataclass(frozen=True, slots=True)
class MarkedMaps:
    """Maps of one finding with a region of each film."""

    region: Literal["lungs", "cage", "boxes"]
    finding: str
    maps: Maps
    regions: Regions
    patients: Sequence[str]  # [N]


def region_heat(marked: MarkedMaps) -> RegionHeat | None:
    """The figures of maps against regions; None for fewer than ten films, or ten maps with heat."""
    heat = _unit_mass(marked.maps, marked.regions.shape[1])
    hot = heat.any(axis=(1, 2))
    if hot.sum() < FEWEST_FILMS:
        return None
    areas = marked.regions.mean(axis=(1, 2))
    shares = (heat * marked.regions).sum(axis=(1, 2))
    patients = np.asarray(marked.patients)
    prior = np.broadcast_to(heat[hot].mean(axis=0), heat.shape)
    return RegionHeat(
        region=marked.region,
        finding=marked.finding,
        films=len(heat),
        patients=len(set(patients.tolist())),
        empty=int((~hot).sum()),
        area=float(areas.mean()),
        heat=_ratio(shares[hot], np.ones(int(hot.sum())), patients[hot]),
        maps=_pointing(heat, marked.regions, patients),
        centre_prior=_pointing(prior, marked.regions, patients),
        mirrored=_pointing(heat, marked.regions[:, :, ::-1], patients),
    )


def _pointing(heat: NDArray[np.float64], regions: Regions, patients: NDArray[np.str_]) -> Pointing:
    hot = heat.any(axis=(1, 2))
    shares = (heat[hot] * regions[hot]).sum(axis=(1, 2))
    hits = [_distance_of_hottest(map_, region) for map_, region in zip(heat[hot], regions[hot], strict=True)]
    limit = POINTING_TOLERANCE * heat.shape[1]
    return Pointing(
        ratio=_ratio(shares, regions[hot].mean(axis=(1, 2)), patients[hot]),
        inside=wilson_interval(sum(distance == 0 for distance in hits), len(heat)),
        near=wilson_interval(sum(distance <= limit for distance in hits), len(heat)),
    )


def _unit_mass(maps: Maps, side: int) -> NDArray[np.float64]:
    """Maps [N, S, S] as they are drawn, linear between the centres of their cells, each of mass 1 or 0."""
    large = np.stack([cv2.resize(map_, (side, side), interpolation=cv2.INTER_LINEAR) for map_ in maps])
    mass = large.sum(axis=(1, 2), dtype=np.float64, keepdims=True)
    return np.asarray(np.divide(large, mass, out=np.zeros(large.shape), where=mass > 0))


def _distance_of_hottest(map_: NDArray[np.float64], region: NDArray[np.bool_]) -> float:
    """Distance of the hottest point from the region in pixels, 0 inside it.

    Linear enlargement leaves a plateau of equals around the middle of a cell, a large one in the corners of the film:
    the point is the one nearest to the plateau's middle, of several plateaus that of the first.
    """
    _, plateaus = cv2.connectedComponents((map_ == map_.max()).astype(np.uint8))
    points = np.argwhere(plateaus == 1)
    row, column = points[((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    away = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(away[row, column])


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64], patients: NDArray[np.str_]) -> Estimate:
    """A ratio of two sums over films, with the percentile interval over resampled patients."""
    replicates = bootstrap(
        lambda weights: ((weights @ above) / (weights @ below))[:, None],
        np.zeros(len(above), np.int64),
        patients=patients,
    )
    return percentile_interval(float(above.sum() / below.sum()), replicates[:, 0])
