"""Whether two pictures show one film: aligned by an affine movement, their details must agree nearly everywhere."""

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.films.copies.fingerprint import Candidate, in_pixels
from trainer.films.copies.picture import SIDE, Picture, local_contrast

AGREEMENT = 0.88
"""Median correlation of details over the blocks of a pair from which on it shows one film. Measured:
docs/results/altered-copies.md."""
_BLOCKS = 4
_LEAST_PIXELS = 200
"""Of a block that counts, out of 576."""
_LEAST_OVERLAP = 0.4
_EDGE = 3
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)
_SMOOTHING = 5
"""Side of the Gauss filter of the alignment in pixels."""
_WHOLE = np.full((SIDE, SIDE), 255, np.uint8)


def agreement(first: Picture, second: Picture, candidate: Candidate) -> float:
    """The median over blocks of the correlation of details, once the first picture is aligned to the second.

    Details are what is smaller than a rib: chests are alike in all that is larger. Blocks let letters in a corner, a
    shutter or a device spoil their own place alone.

    Source: alignment by the enhanced correlation coefficient, Evangelidis and Psarakis, IEEE TPAMI 30 (2008) 1858-1865.

    Returns:
        In [-1, 1]; 0 where the pictures overlap too little.
    """
    sign = np.float32(-1 if candidate.inverted else 1)
    one = first.astype(np.float32)
    other = second.astype(np.float32)
    movement = _aligned(one, other, in_pixels(candidate.movement, SIDE, SIDE), sign)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    details = np.asarray(cv2.warpAffine(_details(one), movement, (SIDE, SIDE), flags=flags), np.float32)
    inside = cv2.warpAffine(np.ones((SIDE, SIDE), np.float32), movement, (SIDE, SIDE), flags=flags) > 1 - 1e-3
    inside[:_EDGE] = inside[-_EDGE:] = inside[:, :_EDGE] = inside[:, -_EDGE:] = False
    if inside.mean() < _LEAST_OVERLAP:
        return 0.0
    return _median_correlation(details, sign * _details(other), inside)


def _aligned(
    first: NDArray[np.float32], second: NDArray[np.float32], start: NDArray[np.float32], sign: np.float32
) -> NDArray[np.float32]:
    """The movement after alignment; where it does not converge, the one that it started from."""
    scale = SIDE / 12
    template = sign * local_contrast(second, scale)
    try:
        _, movement = cv2.findTransformECC(
            template, local_contrast(first, scale), start.copy(), cv2.MOTION_AFFINE, _STEPS, _WHOLE, _SMOOTHING
        )
    except cv2.error:
        return start
    return np.asarray(movement, np.float32)


def _details(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    band = cv2.GaussianBlur(picture, (0, 0), 0.7) - cv2.GaussianBlur(picture, (0, 0), 2.5)
    spread = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 5.0))
    return np.asarray(band / (spread + 1.5), np.float32)


def _median_correlation(first: NDArray[np.float32], second: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Over the blocks of which enough is inside; 0 where there are fewer than half of them."""
    step = SIDE // _BLOCKS
    correlations = []
    for top in range(0, SIDE, step):
        for left in range(0, SIDE, step):
            block = np.s_[top : top + step, left : left + step]
            counts = inside[block]
            if counts.sum() > _LEAST_PIXELS:
                correlations.append(_correlation(first[block][counts], second[block][counts]))
    return float(np.median(correlations)) if len(correlations) >= _BLOCKS**2 / 2 else 0.0


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    one = first - first.mean()
    other = second - second.mean()
    return float(one @ other / max(float(np.sqrt((one @ one) * (other @ other))), 1e-6))
