"""Variations of a film that a guide learns from: its pose and polarity, whether its lungs can be seen, its looks."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.learning.augment import AugmentRecipe, apply
from trainer.planted.plant import plant

Pixels = NDArray[np.float32]  # [S, S] in [0, 1]
Mask = NDArray[np.float32]  # [S, S], 1 in the lungs

MADE: Final[dict[str, tuple[str, ...]]] = {
    "pose": ("upright", "mirrored", "turned"),
    "polarity": ("normal", "inverted"),
    "lungs": ("visible", "hidden"),
}
"""The traits whose values are made from films that are `oriented`; the first value is that of the film itself."""

_LOOKS: Final = AugmentRecipe(
    gamma=(0.45, 2.2), brightness=0.3, contrast=0.4, blur_px=2.0, downscale=0.35, jpeg_quality=20, noise=0.05
)
_DEGREES = 12
_ZOOM = (0.7, 1.2)  # far more out than in: a film that was padded to a square is small on it
_ASPECT = 0.35  # largest stretch of one axis against the other: squashed films, and those with their own aspect
_SHIFT = 0.08
_LARGEST_FRAME = 0.4  # share of a side that a letterbox or a collimator covers
_LAID = ("ecg_leads", "tube", "side_marker", "text", "collimation", "eight_bit")
"""What is planted; none of it moves the lungs, as a photograph of a screen would."""


@dataclass(frozen=True, slots=True)
class Variation:
    """A varied film, and what became of it."""

    film: Pixels
    mask: Mask | None
    """None: where its lungs lie is not known, or nobody shall learn it from this variation."""
    made: dict[str, str]
    """Value of each made trait; empty: the film is not `oriented`."""


def vary(film: Pixels, mask: Mask | None, random: np.random.Generator, *, oriented: bool) -> Variation:
    """Vary a film; the same generator in the same state gives the same film.

    Args:
        film: [S, S] in [0, 1]; not written to.
        mask: its lungs; None: not known.
        random: where every choice comes from.
        oriented: it is a frontal film that stands upright: then its pose, polarity and lungs may be changed.
    """
    made = {name: values[0] for name, values in MADE.items()} if oriented else {}
    if oriented and mask is not None and random.random() < 0.35:  # noqa: PLR2004 - a share, as those below
        film = hidden(film, mask, random)
        made["lungs"] = "hidden"
    elif mask is not None and random.random() < 0.15:  # noqa: PLR2004
        film = _bare(film, mask, random)
    film, mask = _moved(film, mask, random)
    if random.random() < 0.3:  # noqa: PLR2004
        film = plant(str(random.choice(_LAID)), film, random)
    film = apply(_LOOKS, film[np.newaxis], int(random.integers(2**31)))[0]
    if random.random() < 0.2:  # noqa: PLR2004
        film = _framed(film, random)
    if oriented:
        film, mask, made["pose"] = _posed(film, mask, random)
        if random.random() < 0.12:  # noqa: PLR2004
            film, made["polarity"] = 1 - film, "inverted"
    return Variation(np.ascontiguousarray(film), None if made.get("lungs") == "hidden" else mask, made)


def hidden(film: Pixels, mask: Mask, random: np.random.Generator) -> Pixels:
    """The film with its lungs, or its whole rib cage, painted over: one gray, a blur, or slow noise."""
    side = len(film)
    cage = random.random() < 0.3  # noqa: PLR2004
    region: NDArray[Any] = (_hull(mask) if cage else mask).astype(np.uint8)
    grown = int(random.integers(0, max(2, side // 20)))
    region = cv2.dilate(region, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8))
    inside = film[region > 0]
    if not inside.size:
        return film
    gray = [random.random(), float(inside.mean()), float(film.mean()), 0.5][int(random.integers(4))]
    paint = np.full_like(film, gray)
    kind = random.random()
    if kind < 0.2:  # noqa: PLR2004
        paint = _clipped(cv2.GaussianBlur(film, (0, 0), side * random.uniform(0.06, 0.15)))
    elif kind < 0.4:  # noqa: PLR2004
        coarse = random.normal(gray, 0.08, (6, 6))
        paint = _clipped(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))
    if random.random() < 0.5:  # noqa: PLR2004
        paint = paint + random.normal(0, random.uniform(0, 0.03), film.shape).astype(np.float32)
    alpha = _clipped(region)
    if random.random() < 0.5:  # noqa: PLR2004
        alpha = _clipped(cv2.GaussianBlur(alpha, (0, 0), random.uniform(0.5, side / 80)))
    return _clipped(film * (1 - alpha) + paint * alpha)


def made_up(film: Pixels, random: np.random.Generator) -> Pixels:
    """A picture that is no film: shuffled tiles of one, noise, a gradient, shapes, or a page of text."""
    side = len(film)
    kind = int(random.integers(5))
    if kind == 0:
        return _shuffled(film, random)
    if kind == 1:
        deviation = random.uniform(0.05, 0.4)
        cells = int(random.choice([4, 16, 64, side]))
        coarse = random.normal(random.random(), deviation, (cells, cells))
        return _clipped(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR))
    if kind == 2:  # noqa: PLR2004
        angle = random.uniform(0, 2 * np.pi)
        rows, columns = np.mgrid[0:side, 0:side] / side
        return _clipped(0.5 + np.cos(angle) * (rows - 0.5) + np.sin(angle) * (columns - 0.5))
    picture = np.full((side, side), int(random.integers(256)), np.uint8)  # OpenCV writes on bytes alone
    for _ in range(int(random.integers(1, 12))):
        centre = tuple(random.integers(0, side, 2).tolist())
        size = int(random.integers(side // 20, side // 2))
        cv2.circle(picture, centre, size, int(random.integers(256)), -1 if random.random() < 0.7 else 2)  # noqa: PLR2004
    if kind == 4:  # noqa: PLR2004
        picture[:] = 240
        for line in range(10, side, 14):
            cv2.putText(picture, "".join(map(chr, random.integers(97, 123, 20))), (4, line), 1, 0.8, 20, 1)
    return _clipped(picture / 255)


def _shuffled(film: Pixels, random: np.random.Generator) -> Pixels:
    tiles = int(random.choice([2, 4, 8]))
    size = len(film) // tiles
    shuffled = film[: tiles * size, : tiles * size].copy()
    parts = [
        film[r : r + size, c : c + size] for r in range(0, tiles * size, size) for c in range(0, tiles * size, size)
    ]
    for place, part in enumerate(random.permutation(len(parts))):
        row, column = divmod(place, tiles)
        shuffled[row * size : (row + 1) * size, column * size : (column + 1) * size] = parts[part]
    return _clipped(cv2.resize(shuffled, film.shape[::-1]))


def _clipped(values: NDArray[Any]) -> Pixels:
    clipped: Pixels = np.clip(values, 0, 1, dtype=np.float32)
    return clipped


def _hull(mask: Mask) -> NDArray[np.uint8]:
    """The convex hull of the lungs: the rib cage with the mediastinum."""
    points = cv2.findNonZero((mask > 0).astype(np.uint8))
    hull = np.zeros(mask.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return hull


def _bare(film: Pixels, mask: Mask, random: np.random.Generator) -> Pixels:
    """The film with everything far from its lungs in one gray: its lungs can be seen all the same."""
    grown = int(random.integers(len(film) // 40, len(film) // 8))
    kept = cv2.dilate((_hull(mask) > 0).astype(np.uint8), np.ones((2 * grown + 1, 2 * grown + 1), np.uint8))
    return np.where(kept > 0, film, np.float32(random.choice([0.0, random.random(), film.mean()])))


def _moved(film: Pixels, mask: Mask | None, random: np.random.Generator) -> tuple[Pixels, Mask | None]:
    """Turned a little, zoomed, stretched and moved; the mask with it."""
    side = len(film)
    zoom = random.uniform(*_ZOOM)
    stretch = 1 + random.uniform(-_ASPECT, _ASPECT)
    angle = np.deg2rad(random.uniform(-_DEGREES, _DEGREES))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([zoom * np.sqrt(stretch), zoom / np.sqrt(stretch)])
    centre = np.full(2, (side - 1) / 2)
    offset = centre - matrix @ centre + random.uniform(-_SHIFT, _SHIFT, 2) * side
    affine = np.hstack([matrix, offset[:, None]])
    border = cv2.BORDER_CONSTANT if random.random() < 0.6 else cv2.BORDER_REPLICATE  # noqa: PLR2004
    moved = _clipped(cv2.warpAffine(film, affine, (side, side), flags=cv2.INTER_LINEAR, borderMode=border))
    if mask is None:
        return moved, None
    return moved, _clipped(cv2.warpAffine(mask, affine, (side, side), flags=cv2.INTER_NEAREST))


def _framed(film: Pixels, random: np.random.Generator) -> Pixels:
    """Bars along two sides, or the four of a collimator."""
    framed = film.copy()
    gray = float(random.choice([0.0, 0.0, random.random()]))
    for axis in random.permutation(2)[: int(random.integers(1, 3))]:
        width = int(random.uniform(0, _LARGEST_FRAME / 2) * len(film))
        view = framed if axis == 0 else framed.T
        view[:width] = gray
        view[len(view) - width :] = gray
    return framed


def _posed(film: Pixels, mask: Mask | None, random: np.random.Generator) -> tuple[Pixels, Mask | None, str]:
    """Upright (half of the films), mirrored, or turned by a quarter or a half, then perhaps mirrored too."""
    draw = random.random()
    if draw < 0.5:  # noqa: PLR2004
        return film, mask, "upright"
    if draw < 0.8:  # noqa: PLR2004
        return film[:, ::-1], None if mask is None else mask[:, ::-1], "mirrored"
    quarters = int(random.integers(1, 4))
    turned = np.rot90(film, quarters)
    lungs = None if mask is None else np.rot90(mask, quarters)
    if random.random() < 0.5:  # noqa: PLR2004
        turned, lungs = turned[:, ::-1], None if lungs is None else lungs[:, ::-1]
    return turned, lungs, "turned"
