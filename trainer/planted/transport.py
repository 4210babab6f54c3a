"""What exposure, conversion and transport do to a whole film: bit depth, gamma, JPEG, mirroring, a photograph of it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.planted.canvas import Film


def eight_bit(film: Film, random: np.random.Generator) -> Film:
    """A film whose exposure fills a part of the detector's 10 bits, of which the upper 8 were kept.

    Contrast shrinks to that part, and what is left of it has 60 to 150 gray levels.
    """
    span = random.uniform(0.25, 0.6)
    darkest = random.uniform(0.02, 0.98 - span)
    detector = np.round(1023 * (darkest + span * film)).astype(np.uint16)
    return np.asarray((detector >> 2) / 255, np.float32)


def gamma(film: Film, random: np.random.Generator) -> Film:
    """The square root of every value, as a display curve applied once too often; `random` is not asked."""
    del random
    return np.asarray(np.sqrt(film), np.float32)


def jpeg(film: Film, random: np.random.Generator) -> Film:
    """JPEG of quality 30; `random` is not asked."""
    del random
    levels = np.round(255 * film).astype(np.uint8)
    _, file = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)


def mirrored(film: Film, random: np.random.Generator) -> Film:
    """Left and right exchanged; `random` is not asked."""
    del random
    return film[:, ::-1].copy()


def screen_photo(film: Film, random: np.random.Generator) -> Film:
    """The film on a screen, photographed: perspective, the screen's edge, moiré, glare, the lens and its noise."""
    height, width = film.shape
    warp = _camera(film.shape, random)
    photo = cv2.warpPerspective(film, warp, (width, height))
    screen = cv2.warpPerspective(np.ones_like(film), warp, (width, height))
    black = random.uniform(0.04, 0.12)  # a screen's black is lit by the room
    lit = black + (random.uniform(0.8, 0.95) - black) * photo ** random.uniform(0.8, 1.2)
    lit = lit * _moire(film.shape, warp, random)
    scene = screen * lit + (1 - screen) * random.uniform(0.02, 0.3)
    scene = scene + _glare(film.shape, random)
    scene = cv2.GaussianBlur(scene, (0, 0), random.uniform(0.0015, 0.004) * min(height, width))
    grain = random.normal(0, 0.012, film.shape)
    return np.asarray(scene * _vignette(film.shape, random) + grain, np.float32)


def _camera(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float64]:
    """Where the film's corners come to lie in the photograph: perspective, a small turn, a margin of screen."""
    height, width = shape
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    inward = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    seen = corners + inward * random.uniform(-0.01, 0.07, (4, 2)) + random.normal(0, 0.01, (1, 2))
    angle = np.deg2rad(random.normal(0, 2.5))
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    seen = (seen - 0.5) @ turn.T + 0.5
    size = np.array([width - 1, height - 1])
    return np.asarray(
        cv2.getPerspectiveTransform((corners * size).astype(np.float32), (seen * size).astype(np.float32))
    )


def _moire(shape: tuple[int, ...], warp: NDArray[np.float64], random: np.random.Generator) -> Film:
    """Gain [H, W] of the screen's rows and columns of pixels, sampled by a camera of nearly the same pitch.

    The grid is computed in the screen's own coordinates and sampled at the photograph's pixels, so the bands bend with
    the perspective as real ones do.
    """
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    screen = np.linalg.inv(warp) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    u, v = (screen[:2] / screen[2]).reshape(2, height, width)
    pitch = 1 + random.uniform(0.015, 0.05) * random.choice([-1, 1])  # screen pixels for each pixel of the camera
    depth = random.uniform(0.03, 0.1)
    bands = np.cos(2 * np.pi * pitch * u) + 0.6 * np.cos(2 * np.pi * pitch * v)
    return np.asarray(1 + depth * bands / 1.6, np.float32)


def _glare(shape: tuple[int, ...], random: np.random.Generator) -> Film:
    """Light [H, W] of a lamp or window on the screen: a wide halo and a smaller bright core."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = random.uniform(0.1, 0.9, 2)
    angle = random.uniform(0, np.pi)
    dx, dy = x / width - centre[0], y / height - centre[1]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    reach, ratio = random.uniform(0.1, 0.25), random.uniform(1.0, 2.5)
    distance = (along / (ratio * reach)) ** 2 + (across / reach) ** 2
    strength = random.uniform(0.12, 0.4)
    return np.asarray(strength * (0.5 * np.exp(-distance / 2) + 0.5 * np.exp(-4 * distance)), np.float32)


def _vignette(shape: tuple[int, ...], random: np.random.Generator) -> Film:
    height, width = shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.asarray(1 - random.uniform(0.03, 0.15) * (x**2 + y**2), np.float32)
