"""The values in which a network takes its pixels, as numbers of each channel: polarity, range, mean and deviation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.errors import BundleError

Polarity = Literal["monochrome2", "monochrome1"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_CAFFE_MEAN = (123.68, 116.779, 103.939)
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class PixelValues:
    """A film x in [0, 1] becomes ((black + x (white - black)) - mean) / std of each channel; monochrome1: of 1 - x."""

    polarity: Polarity = "monochrome2"
    black: float = 0.0
    white: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def in_words(self) -> str:
        """As a person states it, e.g. '0..255, mean 0.5, std 0.25, monochrome1'."""
        parts = [f"{self.black:g}..{self.white:g}"]
        if any(self.mean):
            parts.append(f"mean {_numbers(self.mean)}")
        if set(self.std) != {1.0}:
            parts.append(f"std {_numbers(self.std)}")
        return ", ".join([*parts, *(["monochrome1"] if self.polarity == "monochrome1" else [])])

    def scale_and_offset(self, channels: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What a film in [0, 1] is multiplied with and what is added then, each float32 [1, C, 1, 1].

        Raises:
            BundleError: means or deviations are neither one nor C.
        """
        for name, values in (("mean", self.mean), ("std", self.std)):
            _require_fit(name, values, channels)
        mean = np.array(self.mean)
        std = np.array(self.std)
        span = self.white - self.black
        first, factor = (self.black, span) if self.polarity == "monochrome2" else (self.white, -span)
        shape = (1, channels, 1, 1)
        scale = np.broadcast_to(factor / std, channels)
        offset = np.broadcast_to((first - mean) / std, channels)
        return scale.astype(np.float32).reshape(shape), offset.astype(np.float32).reshape(shape)

    def of_unit_films(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel that do the same to films in [0, 1]; a deviation below 0 inverts."""
        scale, offset = (values.ravel().astype(np.float64) for values in self.scale_and_offset(channels))
        return tuple((-offset / scale).tolist()), tuple((1 / scale).tolist())


CONVENTIONS: tuple[PixelValues, ...] = (
    PixelValues(),
    PixelValues(white=255.0),
    PixelValues(black=-1.0),
    PixelValues(mean=IMAGENET_MEAN, std=IMAGENET_STD),
    PixelValues(black=-1024.0, white=1024.0),
    PixelValues(mean=IMAGENET_MEAN[::-1], std=IMAGENET_STD[::-1]),
    PixelValues(white=255.0, mean=_CAFFE_MEAN[::-1]),
    PixelValues(white=255.0, mean=_CAFFE_MEAN),
    PixelValues(mean=_CLIP_MEAN, std=_CLIP_STD),
    PixelValues(white=255.0, mean=(128.0,), std=(64.0,)),
    PixelValues(mean=(0.5,), std=(0.25,)),
    PixelValues(mean=(0.449,), std=(0.226,)),
    PixelValues(mean=(0.485,), std=(0.229,)),
    PixelValues(black=-0.5, white=0.5),
    PixelValues(white=4095.0),
    PixelValues(white=65535.0),
)
"""What the field does, the most widespread first.

torchvision and timm (ImageNet, also with the channels as OpenCV reads them), Keras `preprocess_input` in the modes tf
(-1..1) and caffe, TorchXRayVision (-1024..1024), OpenAI CLIP, JF Healthcare's CheXpert (128, 64), 12 and 16 bits.
"""


def _require_fit(name: str, values: Sequence[float], channels: int) -> None:
    if len(values) not in {1, channels}:
        msg = f"--{name} has {len(values)} values and the graph's input {channels} channels; give one for each channel"
        raise BundleError(msg)


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{value:.4g}" for value in values)
