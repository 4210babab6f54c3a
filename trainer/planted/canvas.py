"""Smooth drawing on a film: shapes painted at four times its size, reduced by area, laid on as attenuation."""

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.float32]  # [H, W] in [0, 1]
Points = NDArray[np.float64]  # [M, 2]: x, y in shares of width and height

_FINER = 4  # OpenCV's own anti-aliasing leaves thin lines ragged, and knows no line thinner than a pixel
_SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 of a pixel
_CAPITALS = 21  # height of a capital of the Hershey fonts at scale 1, in pixels


class Canvas:
    """Opacity in [0, 1] of what is drawn over a film, 0 where nothing is; later shapes replace earlier ones.

    Lengths (widths, radii, heights) are shares of the film's shorter side.
    """

    def __init__(self, film: Film) -> None:
        """Start an empty canvas for `film` [H, W]."""
        height, width = film.shape
        self._film_size = (width, height)
        self._unit = _FINER * min(height, width)
        self._scale = np.array([_FINER * width, _FINER * height])
        self._layer: NDArray[np.uint8] = np.zeros((_FINER * height, _FINER * width), np.uint8)

    def line(self, points: Points, width: float, opacity: float) -> None:
        """Draw a line of `width` through `points`."""
        thickness = max(1, round(width * self._unit))
        cv2.polylines(
            self._layer,
            [self._fixed(points)],
            isClosed=False,
            color=round(255 * opacity),
            thickness=thickness,
            shift=_SUBPIXEL_BITS,
        )

    def disc(self, centre: NDArray[np.float64], radius: float, opacity: float) -> None:
        """Draw a filled circle about `centre` [2]."""
        x, y = self._fixed(centre[None])[0].tolist()
        radius_fixed = max(1, round(radius * self._unit * 2**_SUBPIXEL_BITS))
        cv2.circle(self._layer, (x, y), radius_fixed, round(255 * opacity), cv2.FILLED, cv2.LINE_8, _SUBPIXEL_BITS)

    def polygon(self, points: Points, opacity: float) -> None:
        """Draw a filled polygon."""
        cv2.fillPoly(self._layer, [self._fixed(points)], round(255 * opacity), cv2.LINE_8, _SUBPIXEL_BITS)

    def text(self, words: str, corner: tuple[float, float], height: float, opacity: float, *, stroke: float) -> None:
        """Write capitals of `height` from their lower left `corner`; strokes are `stroke` of the height thick."""
        pixels = max(1, round(height * self._unit))
        scale = pixels / _CAPITALS
        x, y = np.round(np.array(corner) * self._scale).astype(int).tolist()
        thickness = max(1, round(stroke * pixels))
        cv2.putText(
            self._layer, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, round(255 * opacity), thickness, cv2.LINE_8
        )

    def turn(self, centre: tuple[float, float], angle_deg: float) -> None:
        """Turn all that is drawn so far about `centre`, counter-clockwise."""
        x, y = (np.array(centre) * self._scale).tolist()
        matrix = cv2.getRotationMatrix2D((x, y), angle_deg, 1.0)
        self._layer = np.asarray(cv2.warpAffine(self._layer, matrix, self._layer.shape[::-1]), np.uint8)

    def opacity(self, *, blur: float = 0.0) -> Film:
        """What is drawn, [H, W] in [0, 1], after a Gaussian of standard deviation `blur`."""
        layer = cv2.resize(self._layer, self._film_size, interpolation=cv2.INTER_AREA)
        opacity = np.asarray(layer / 255, np.float32)
        if not blur:
            return opacity
        return np.asarray(cv2.GaussianBlur(opacity, (0, 0), max(0.3, blur * self._unit / _FINER)), np.float32)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        return np.asarray(np.round(points * self._scale * 2**_SUBPIXEL_BITS), np.int32)


def overlaid(film: Film, opacity: Film, *, brightness: float = 1.0) -> Film:
    """`film` under an object of `opacity`: the object goes towards `brightness`, and what is bright saturates."""
    return np.asarray(film + opacity * (brightness - film), np.float32)


def sometimes(random: np.random.Generator, probability: float) -> bool:
    """Draw True with `probability`."""
    return bool(random.random() < probability)


def smooth(knots: Points, *, points: int = 80) -> Points:
    """A Catmull-Rom spline [points, 2] through all `knots` [M, 2], at least two.

    Source: Catmull and Rom, Computer Aided Geometric Design (1974) 317-326.
    """
    ends = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    places = np.linspace(0, len(knots) - 1, points)
    first = np.minimum(places.astype(int), len(knots) - 2)
    t = (places - first)[:, None]
    before, a, b, after = (ends[first + k] for k in range(4))
    return np.asarray(
        0.5
        * (
            2 * a
            + (b - before) * t
            + (2 * before - 5 * a + 4 * b - after) * t**2
            + (3 * a - before - 3 * b + after) * t**3
        ),
        np.float64,
    )
