"""The forms of the networks, as data that imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FILM_SIDE = 256
"""Side of the films that a guide and a network behind it take, in pixels."""


@dataclass(frozen=True, slots=True)
class ConvolutionalDesign:
    """The form of a `ConvolutionalNetwork`."""

    channels: Sequence[int]
    """Of each block."""
    hidden: int
    """Width of the dense layer; 0: none."""
    norm: bool
    """Whether each block has a batch norm."""
    attention: bool
    """Whether the head has an attention gate."""


@dataclass(frozen=True, slots=True)
class TimmDesign:
    """A network of timm, and how it sees a film."""

    name: str
    arguments: Mapping[str, Any]
    """Of `timm.create_model`."""
    cam_layer: str
    """Path of the module whose output is explained; empty: not known."""
    mean: Sequence[float]
    std: Sequence[float]
