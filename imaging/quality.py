"""Checks of a film's pixels and shape without a network: warnings for the reader, figures for monitoring.

The thresholds were set on 5,216 training films (Kermany et al., 2018) so that none of them is warned about, and
checked on films from elsewhere. False alarms of all four together: 0 of the 624 official test films and 0 of 24
films at their original size; of 2,000 films of the COVID-19 Radiography and tuberculosis sets, 1 low_contrast and
8 mostly_one_value.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.radiograph import Radiograph

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# Networks of this project see 224 pixels a side: a shorter film is enlarged, and what it does not show stays unseen.
LOW_RESOLUTION = 224
# Range of the middle 96 % of the pixels, of the full range. Lowest training film 0.318; a 12-bit film that uses
# 10 bits without saying so by a window has at most 0.25.
LOW_CONTRAST = 0.3
# Level below which all but a thousandth of the pixels lie in a film whose uppermost bit is unused: an exposure of fewer
# bits than it states. Lowest of 5,856 films of Kermany's 0.555; of 2,831 adults' films (NIH) 0.566.
UNUSED_BIT = 0.5
# Share of the most frequent of 256 gray levels. Highest training film 0.314; a page of text has 0.84.
ONE_VALUE = 0.4
# Longer side over shorter. A 35 x 43 cm film has 1.23; the longest of 24 original films 1.82.
EXTREME_ASPECT = 2.0

_LEVELS = 256
_MIDDLE = (0.02, 0.98)
_BRIGHTEST = 0.999
_BORDER_SHARE = 16
_SAMPLED_SIDE = 512
"""Pixels of the shorter side, at least, whose levels are counted; a share of a thousandth is then of 262 or more."""


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """Figures of one network input, each in [0, 1], whose drift shows that films have changed."""

    mean: float
    contrast: float
    """Standard deviation of the pixels."""
    border: float
    """Mean of the outer frame, one sixteenth of the side wide: how the film is framed and shuttered."""


def input_warnings(radiograph: Radiograph) -> tuple[str, ...]:
    """Name what makes an answer about this film less trustworthy, in addition to `radiograph.warnings`.

    Returns:
        Any of `low_resolution`, `extreme_aspect`, `low_contrast`, `mostly_one_value`.
    """
    shorter, longer = sorted((radiograph.rows, radiograph.columns))
    pixels = _sample(radiograph.pixels)
    counts = cv2.calcHist([pixels], [0], None, [_LEVELS], [0, radiograph.largest_value + 1]).ravel()
    cumulated = np.cumsum(counts, dtype=np.float64) / pixels.size
    low, high, brightest = np.searchsorted(cumulated, (*_MIDDLE, _BRIGHTEST))
    conditions = {
        "low_resolution": shorter < LOW_RESOLUTION,
        "extreme_aspect": longer > EXTREME_ASPECT * shorter,
        "low_contrast": high - low < LOW_CONTRAST * _LEVELS or brightest < UNUSED_BIT * _LEVELS,
        "mostly_one_value": counts.max() > ONE_VALUE * pixels.size,
    }
    return tuple(name for name, is_true in conditions.items() if is_true)


def _sample(pixels: Pixels) -> Pixels:
    """Pixels of a film in a grid, which have its histogram: a tenth of the time for 5 megapixels of 16 bits."""
    step = max(1, min(pixels.shape) // _SAMPLED_SIDE)
    return pixels[::step, ::step].copy()


def input_statistics(prepared: NDArray[np.float32]) -> InputStatistics:
    """Measure one network input.

    Args:
        prepared: float32 [1, S, S] in [0, 1], from `imaging.preprocess.prepare`.
    """
    film = prepared[0]
    width = max(1, film.shape[0] // _BORDER_SHARE)
    frame = (film[:width], film[-width:], film[width:-width, :width], film[width:-width, -width:])
    border = sum(cv2.sumElems(part)[0] for part in frame) / sum(part.size for part in frame)
    mean = float(cv2.mean(film)[0])
    _, deviation = cv2.meanStdDev(film - np.float32(mean))  # of squares around 0, which lose no digits
    return InputStatistics(mean=mean, contrast=float(deviation[0, 0]), border=border)
