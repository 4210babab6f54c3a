"""Films as another hospital would have sent them: changes of exposure, processing, transport and framing."""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.networks.inference import outputs
from trainer.networks.network import Network
from trainer.planted.plant import plant

Pixels = NDArray[np.float32]  # [S, S] in [0, 1]
Shift = Callable[[Pixels], NDArray[Any]]

NONE = "none"
_BATCH = 128  # films that are changed and passed through the network at once


def _contrast(factor: float) -> Shift:
    return lambda film: film.mean() + factor * (film - film.mean())


def _brightness(change: float) -> Shift:
    return lambda film: film + np.float32(change)


def _gamma(exponent: float) -> Shift:
    return lambda film: film**exponent


def _blur(share: float) -> Shift:
    return lambda film: cv2.GaussianBlur(film, (0, 0), share * len(film))


def _resolution(factor: float) -> Shift:
    def lower(film: Pixels) -> NDArray[Any]:
        side = max(1, round(factor * len(film)))
        small = cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, film.shape[::-1], interpolation=cv2.INTER_LINEAR)

    return lower


def _jpeg(quality: int) -> Shift:
    def compress(film: Pixels) -> NDArray[Any]:
        _, file = cv2.imencode(".jpg", (film * 255).round().astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), np.float32) / 255

    return compress


def _noise(deviation: float) -> Shift:
    # The same grain on every film: a figure must not depend on the order of the films.
    return lambda film: film + deviation * np.random.default_rng(0).standard_normal(film.shape, np.float32)


def _geometry(*, rotation_deg: float = 0.0, scale: float = 1.0) -> Shift:
    """Turned counter-clockwise and enlarged about the centre, black beyond the border."""

    def place(film: Pixels) -> NDArray[Any]:
        centre = (len(film) - 1) / 2
        matrix = cv2.getRotationMatrix2D((centre, centre), rotation_deg, scale)
        return cv2.warpAffine(film, matrix, film.shape[::-1], flags=cv2.INTER_LINEAR)

    return place


def _planted(kind: str) -> Shift:
    # Drawn by the film itself: a figure must not depend on the order of the films.
    return lambda film: plant(kind, film, np.random.default_rng(zlib.crc32(film.tobytes())))


SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {
        "contrast x 0.6": _contrast(0.6),
        "contrast x 1.6": _contrast(1.6),
        "brightness - 0.15": _brightness(-0.15),
        "brightness + 0.15": _brightness(0.15),
        "gamma 0.7": _gamma(0.7),
        "gamma 1.5": _gamma(1.5),
        "blur, sigma S / 150": _blur(1 / 150),
        "half resolution": _resolution(0.5),
        "JPEG quality 30": _jpeg(30),
        "noise, sigma 0.04": _noise(0.04),
        "rotation 10 degrees": _geometry(rotation_deg=10),
        "rotation -10 degrees": _geometry(rotation_deg=-10),
        "crop to 85 %": _geometry(scale=1 / 0.85),
        "padding to 118 %": _geometry(scale=0.85),
    }
)
"""Changes of a prepared film that leave the lung recognisable for a reader: exposure, processing, transport, framing.

Source: the kinds of Hendrycks and Dietterich, ICLR 2019, arXiv:1903.12261, as far as radiographs meet them.
"""

PLANTED_SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {
        "ECG leads": _planted("ecg_leads"),
        "tube": _planted("tube"),
        "side marker": _planted("side_marker"),
        "burned-in text": _planted("text"),
        "collimation": _planted("collimation"),
        "8-bit film of a 10-bit exposure": _planted("eight_bit"),
        "photograph of a screen": _planted("screen_photo"),
        "gamma 0.5": _planted("gamma"),
        "mirrored": _planted("mirrored"),
        "letterboxed": _planted("letterboxed"),
    }
)
"""What other hospitals' films carry; they are measured, and decide no threshold: some of them must not be answered."""


def shifted(films: NDArray[np.float32], shift: Shift) -> NDArray[np.float32]:
    """Prepared films [V, 1, S, S] in [0, 1] after `shift`, clipped to [0, 1]."""
    changed = [np.clip(shift(film[0]), 0, 1) for film in films]
    return np.stack(changed)[:, None].astype(np.float32)


def shift_outputs(network: Network, films: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Logits [V, K] of films [V, 1, S, S] as they are, and after each of `SHIFTS` and `PLANTED_SHIFTS`."""
    parts = [films[start : start + _BATCH] for start in range(0, len(films), _BATCH)]
    panel: dict[str, Shift] = {NONE: lambda film: film, **SHIFTS, **PLANTED_SHIFTS}
    return {
        name: np.concatenate([outputs(network, shifted(part, shift))[0].numpy() for part in parts])
        for name, shift in panel.items()
    }
