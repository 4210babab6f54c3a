"""The ways to prepare films for a network that was trained elsewhere: the stated one, and all that may be."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from export.description import NetworkDescription
from export.graph.foreign import ForeignGraph
from export.graph.image_input import USUAL_SIDES
from export.graph.pixel_values import CONVENTIONS, PixelValues
from schemas.errors import BundleError
from schemas.preprocess import ClaheSpec, PreprocessSpec

_CLAHE = (None, ClaheSpec(clip_limit=2.0), ClaheSpec(clip_limit=4.0))


@dataclass(frozen=True, slots=True)
class Way:
    """One way to prepare films."""

    values: PixelValues
    spec: PreprocessSpec

    @property
    def in_words(self) -> str:
        """E.g. '224, squash, full_range, no CLAHE, 0..255'."""
        clahe = self.spec.clahe
        equalised = "no CLAHE" if clahe is None else f"CLAHE {clahe.clip_limit:g},{clahe.grid}"
        return f"{self.spec.size}, {self.spec.resize}, {self.spec.intensity}, {equalised}, {self.values.in_words}"


def stated_way(graph: ForeignGraph, description: NetworkDescription) -> Way:
    """The way that the description states, with defaults for what it leaves out.

    Raises:
        BundleError: no side is known, or means or deviations are not one for each channel.
    """
    size = graph.image.side or description.size
    if size is None:
        msg = "the graph takes films of any side; give --size, or --owner-outputs, which finds it"
        raise BundleError(msg)
    return Way(stated_values(graph, description), description.preprocess(size))


def stated_values(graph: ForeignGraph, description: NetworkDescription) -> PixelValues:
    """The pixel values that the description states.

    Raises:
        BundleError: means or deviations are not one for each channel.
    """
    given = description.model_fields_set
    channels = graph.image.channels
    for name in ("mean", "std"):
        values = getattr(description, name)
        if name in given and len(values) != channels:
            msg = (
                f"--{name} has {len(values)} values and the graph's input {channels} channels; give one for each "
                "channel"
            )
            raise BundleError(msg)
    black, white = description.value_range or (0.0, 255.0 if graph.image.integer else 1.0)
    return PixelValues(description.polarity, black, white, description.mean, description.std)


def possible_ways(graph: ForeignGraph, description: NetworkDescription) -> Iterator[Way]:
    """Every combination of what the description leaves open, the most widespread first."""
    stated = description.model_fields_set
    size = graph.image.side or description.size

    def choices(name: str, *known: Any) -> tuple[Any, ...]:
        return (getattr(description, name),) if name in stated else known

    specs = [
        PreprocessSpec(size=side, resize=resize, intensity=intensity, clahe=clahe)
        for side, clahe, resize, intensity in product(
            USUAL_SIDES if size is None else (size,),
            choices("clahe", *_CLAHE),
            choices("resize", "squash", "pad"),
            choices("intensity", "full_range", "percentile"),
        )
    ]
    for spec in specs:
        for values in _values(graph, description):
            for polarity in choices("polarity", "monochrome2", "monochrome1"):
                yield Way(replace(values, polarity=polarity), spec)


def _values(graph: ForeignGraph, description: NetworkDescription) -> tuple[PixelValues, ...]:
    if values_are_stated(description) or graph.image.integer:
        return (stated_values(graph, description),)
    channels = graph.image.channels
    return tuple(each for each in CONVENTIONS if {len(each.mean), len(each.std)} <= {1, channels})


def values_are_stated(description: NetworkDescription) -> bool:
    """Whether the description says anything of the scaling of pixels."""
    return bool(description.model_fields_set & {"value_range", "mean", "std"})
