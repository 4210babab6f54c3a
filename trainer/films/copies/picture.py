"""Films as small square pictures, with and without the bars around them: what altered copies are looked for in."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.decode import decode
from imaging.dicom.codecs import FrameDecoder
from imaging.preprocess import resize, scaled
from imaging.radiograph import Radiograph

SIDE = 96
"""S of the pictures; a film whose shorter side has fewer pixels shows too little to be told from another."""
_KEPT = 512
"""The longest side in which bars are looked for."""
_BAR = 4 / 255
"""Largest standard deviation of a row or column of a bar: the noise of JPEG in a black frame."""
_LEAST_REST = 0.4
"""Share of a side that must be left between bars; else the film is nearly empty and stays whole."""

Picture = NDArray[np.uint8]  # [S, S]


@dataclass(frozen=True, slots=True)
class Pictures:
    """V pictures of some films; a film with bars has two, one that is too small has none."""

    pictures: NDArray[np.uint8]  # [V, S, S]
    films: NDArray[np.int64]  # [V], index of the film that each shows


def read_pictures(path: Path, frame_decoder: FrameDecoder) -> list[Picture]:
    """The pictures of a film in a file: the whole film and, where it has bars, the film between them.

    Raises:
        FilmError: it cannot be decoded.
    """
    radiograph = decode(path.read_bytes(), min_side=SIDE, frame_decoder=frame_decoder)
    return pictures_of(radiograph.put_upright())


def pictures_of(radiograph: Radiograph) -> list[Picture]:
    """The pictures of a film, its aspect lost: an altered copy may have another."""
    if min(radiograph.rows, radiograph.columns) < SIDE:
        return []
    film = scaled(radiograph, "percentile", *(min(side, _KEPT) for side in radiograph.pixels.shape))
    between = _between_bars(film)
    views = [film] if between.shape == film.shape else [film, between]
    return [(resize(view, SIDE, SIDE) * 255).round().astype(np.uint8) for view in views]


def _between_bars(film: NDArray[np.float32]) -> NDArray[np.float32]:
    top, bottom = _ends(film.std(axis=1))
    left, right = _ends(film.std(axis=0))
    rest = min((bottom - top) / film.shape[0], (right - left) / film.shape[1])
    return film if rest < _LEAST_REST else film[top:bottom, left:right]


def _ends(deviations: NDArray[np.float32]) -> tuple[int, int]:
    varied = np.flatnonzero(deviations > _BAR)
    return (int(varied[0]), int(varied[-1]) + 1) if len(varied) else (0, len(deviations))


def local_contrast(picture: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """A picture without its slow changes and with even contrast: neither exposure nor equalisation shows in it.

    Args:
        picture: [S, S], gray levels 0 to 255.
        scale: standard deviation of the Gauss filter in pixels.
    """
    detail = picture - cv2.GaussianBlur(picture, (0, 0), scale)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), scale))
    return np.asarray(detail / (spread + _NOISE), np.float32)


_NOISE = 4.0
"""Gray levels; contrast below it is not raised."""
