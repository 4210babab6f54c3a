"""What people do to films before a data set reaches a trainer: the alterations that copies are looked for under."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]  # [H, W]
Alteration = Callable[[Gray, np.random.Generator], Gray]

_LETTERS = list("ABCDEFGHKLMNPRSTUVXYZ0123456789 ")


def encoded(film: Gray, quality: int) -> bytes:
    """A JPEG of a film."""
    done, buffer = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        msg = f"OpenCV cannot encode a film of {film.shape}"
        raise ValueError(msg)
    return buffer.tobytes()


def _cut(film: Gray, share: float, random: np.random.Generator) -> Gray:
    """Lose a share of each side's length, unevenly at both ends."""
    rows, columns = (round(side * (1 - share)) for side in film.shape)
    top, left = (
        int(random.integers(0, whole - rest + 1)) for whole, rest in zip(film.shape, (rows, columns), strict=True)
    )
    return film[top : top + rows, left : left + columns]


def _cut_evenly(film: Gray, share: float) -> Gray:
    """Lose a share of each side's length at each end."""
    rows, columns = (round(side * share) for side in film.shape)
    return film[rows:-rows, columns:-columns]


def _moved(film: Gray, share: float, random: np.random.Generator) -> Gray:
    across, down = share * random.choice([-1.0, 1.0], 2) * film.shape[::-1]
    return _warped(film, np.array([[1, 0, across], [0, 1, down]], np.float32))


def _turned(film: Gray, degrees: float, random: np.random.Generator) -> Gray:
    middle = (film.shape[1] / 2 - 0.5, film.shape[0] / 2 - 0.5)
    matrix = cv2.getRotationMatrix2D(middle, degrees * float(random.choice([-1, 1])), 1)
    return _warped(film, np.asarray(matrix, np.float64))


def _warped(film: Gray, matrix: NDArray[np.floating]) -> Gray:
    return np.asarray(cv2.warpAffine(film, matrix, film.shape[::-1]), np.uint8)


def _framed(film: Gray, share: float, value: int, random: np.random.Generator) -> Gray:
    """Bars above and below, or to the left and right."""
    width = round(max(film.shape) * share)
    down, across = (width, 0) if random.integers(2) else (0, width)
    return np.asarray(cv2.copyMakeBorder(film, down, down, across, across, cv2.BORDER_CONSTANT, value=value), np.uint8)


def _written_on(film: Gray, random: np.random.Generator) -> Gray:
    """Two lines of text and the letter of a side."""
    written = film.copy()
    rows, columns = film.shape
    size = rows / 448
    thickness = max(1, round(2 * size))
    for height in (0.08, 0.95):
        text = "".join(random.choice(_LETTERS, 14))
        place = (int(random.integers(2, columns // 3)), round(height * rows))
        cv2.putText(written, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, thickness)
    letter = str(random.choice(["L", "R"]))
    cv2.putText(
        written,
        letter,
        (round(0.85 * columns), round(0.2 * rows)),
        cv2.FONT_HERSHEY_SIMPLEX,
        2 * size,
        255,
        2 * thickness,
    )
    return written


def _equalised(film: Gray, clip_limit: float) -> Gray:
    return np.asarray(cv2.createCLAHE(clip_limit, (8, 8)).apply(film), np.uint8)


def _gamma(film: Gray, random: np.random.Generator) -> Gray:
    return np.asarray(255 * (film / 255) ** float(random.choice([0.6, 1.6])), np.uint8)


ALTERATIONS: Mapping[str, Alteration] = {
    "JPEG at quality 50": lambda film, _: film,
    "gamma 0.6 or 1.6": _gamma,
    "5 % cut off, off the middle": lambda film, random: _cut(film, 0.05, random),
    "10 % cut off, off the middle": lambda film, random: _cut(film, 0.10, random),
    "5 % cut off at each side": lambda film, _: _cut_evenly(film, 0.05),
    "10 % cut off at each side": lambda film, _: _cut_evenly(film, 0.10),
    "moved by 3 %": lambda film, random: _moved(film, 0.03, random),
    "mirrored": lambda film, _: film[:, ::-1],
    "upside down": lambda film, _: film[::-1],
    "turned by 3 degrees": lambda film, random: _turned(film, 3, random),
    "turned by 5 degrees": lambda film, random: _turned(film, 5, random),
    "turned by 10 degrees": lambda film, random: _turned(film, 10, random),
    "turned by 15 degrees": lambda film, random: _turned(film, 15, random),
    "turned by 90 degrees": lambda film, random: np.rot90(film, int(random.choice([1, 3]))),
    "turned by 180 degrees": lambda film, _: np.rot90(film, 2),
    "black bars of 10 %": lambda film, random: _framed(film, 0.10, 0, random),
    "black bars of 25 %": lambda film, random: _framed(film, 0.25, 0, random),
    "white bars of 10 %": lambda film, random: _framed(film, 0.10, 255, random),
    "text and a letter": _written_on,
    "CLAHE, clip limit 2": lambda film, _: _equalised(film, 2),
    "CLAHE, clip limit 4": lambda film, _: _equalised(film, 4),
    "inverted": lambda film, _: 255 - film,
    "mirrored, inverted, 10 % cut off": lambda film, random: 255 - _cut(film[:, ::-1], 0.10, random),
    "turned by 5 degrees, 5 % cut off, CLAHE": lambda film, random: _equalised(
        _cut(_turned(film, 5, random), 0.05, random), 2
    ),
    "turned by 20 degrees": lambda film, random: _turned(film, 20, random),
    "20 % cut off at each side": lambda film, _: _cut_evenly(film, 0.20),
}
"""The last two are beyond what the search is made for; of the turned ones it finds most all the same."""


def altered(film: Gray, kind: str, seed: int) -> bytes:
    """A JPEG of an altered film.

    Args:
        film: gray levels.
        kind: of `ALTERATIONS`.
        seed: decides directions, places and quality.
    """
    random = np.random.default_rng(seed)
    changed = np.ascontiguousarray(ALTERATIONS[kind](film, random))
    return encoded(changed, 50 if kind == "JPEG at quality 50" else int(random.integers(70, 96)))
