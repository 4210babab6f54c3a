"""Coarse fingerprints of pictures, also when moved, turned, enlarged and mirrored, and the likeliest pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.films.copies.picture import SIDE, Pictures, local_contrast

Matrix = NDArray[np.float64]  # [3, 3], takes points of the second picture to points of the first, in shares of a side

GRID: Final = 24
_HALF: Final = 48
_LEAST_LIKENESS = 0.75
"""|correlation| of fingerprints from which on a pair is looked at; of 6,000 altered copies none had less:
docs/results/altered-copies.md."""
_MOST_ALIKE = 6
"""Pairs that are looked at for each picture."""
_BATCH = 8

_radius = np.hypot(*(np.mgrid[:GRID, :GRID] - (GRID - 1) / 2))
_WITHIN: NDArray[np.bool_] = _radius < 0.44 * GRID  # corners hold letters, and nothing where a film was turned


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two pictures that may show one film."""

    first: int
    second: int
    movement: Matrix
    inverted: bool


def movements() -> list[Matrix]:
    """Where the second picture may lie in the first: steps so fine that the fingerprints of copies still meet.

    Up to 12 % cut off at each side, in the middle or off it; moved by 3 %; turned by up to 15 degrees, or by 90, 180 or
    270; each also mirrored.
    """
    centred = [(degrees, part, 0.0, 0.0) for degrees, part in product(_TURNS, (1.0, 1.08, 1.2))]
    moved = [(0.0, 1.0, across, down) for across, down in product((-0.03, 0.0, 0.03), repeat=2)]
    cut = [
        (0.0, scale, across, down) for scale, offsets in _CUTS.items() for across, down in product(offsets, repeat=2)
    ]
    right_angles = [(degrees, 1.0, 0.0, 0.0) for degrees in (90.0, 180.0, 270.0)]
    return [
        _movement(*place, mirrored=mirrored)
        for mirrored in (False, True)
        for place in (*moved, *cut, *centred, *right_angles)
    ]


_TURNS = (-15.0, -11.0, -7.5, -4.0, 4.0, 7.5, 11.0, 15.0)
_CUTS = {
    1.06: (-0.022, 0.022),
    1.11: (-0.045, -0.015, 0.015, 0.045),
    1.111: (0.0,),
    1.22: (-0.04, 0.04),
    1.25: (0.0,),
}
"""By enlargement: offsets of the middle."""


def _movement(degrees: float, scale: float, across: float, down: float, *, mirrored: bool) -> Matrix:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    linear = turn @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    movement = np.eye(3)
    movement[:2, :2] = linear
    movement[:2, 2] = np.array([0.5 + across, 0.5 + down]) - linear @ np.full(2, 0.5)
    return movement


def in_pixels(movement: Matrix, to_side: int, from_side: int) -> NDArray[np.float32]:
    """The matrix [2, 3] that OpenCV warps with: from pixels of a picture of one side to those of one of another."""
    shares = np.array([[1 / from_side, 0, 0.5 / from_side], [0, 1 / from_side, 0.5 / from_side], [0, 0, 1]])
    pixels = np.array([[to_side, 0, -0.5], [0, to_side, -0.5], [0, 0, 1]])
    return np.asarray((pixels @ movement @ shares)[:2], np.float32)


def candidates(pictures: Pictures) -> Iterator[tuple[int, list[Candidate]]]:
    """For each picture the pairs with others that may be copies of it; both orders of a pair are looked at.

    A copy that shows less than its original is found when the original's movements are compared with the copy.
    """
    if not len(pictures.films):
        return
    smooth = [_smooth(picture) for picture in pictures.pictures]
    everywhere = movements()
    matrices = [in_pixels(movement, _HALF, GRID) for movement in everywhere]
    still = in_pixels(np.eye(3), _HALF, GRID)
    plain = _unit(np.stack([_sampled(each, still) for each in smooth]))
    for start in range(0, len(smooth), _BATCH):
        batch = range(start, min(start + _BATCH, len(smooth)))
        moved = _unit(np.stack([_sampled(smooth[number], matrix) for number in batch for matrix in matrices]))
        likeness = (moved @ plain.T).reshape(len(batch), len(matrices), -1)
        for number, rows in zip(batch, likeness, strict=True):
            yield number, list(_likeliest(number, rows, pictures.films, everywhere))


def _likeliest(
    number: int, likeness: NDArray[np.float32], films: NDArray[np.int64], everywhere: Sequence[Matrix]
) -> Iterator[Candidate]:
    """The pairs of one picture, from the likeness [M, V] of its M movements to all V pictures."""
    strength = np.maximum(likeness.max(axis=0), -likeness.min(axis=0))
    strength[films == films[number]] = 0
    count = min(_MOST_ALIKE, len(strength))
    for other in np.argpartition(-strength, count - 1)[:count].tolist():
        if strength[other] >= _LEAST_LIKENESS:
            movement = int(np.abs(likeness[:, other]).argmax())
            yield Candidate(number, other, everywhere[movement], bool(likeness[movement, other] < 0))


def _smooth(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    contrast = local_contrast(picture.astype(np.float32), SIDE / 12)
    half = cv2.resize(contrast, (_HALF, _HALF), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(half, (0, 0), 0.7), np.float32)


def _sampled(smooth: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(smooth, matrix, (GRID, GRID), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped[_WITHIN], np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows without their mean, of length 1; a row of one value becomes 0."""
    centred = vectors - vectors.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, 1e-6), np.float32)
