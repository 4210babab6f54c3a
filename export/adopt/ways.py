"""The ways to prepare films for a network that was trained elsewhere: the stated one, and all that may be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from export.description import NetworkDescription
from export.graph.foreign import ForeignGraph
from export.graph.image_input import USUAL_SIDES
from export.graph.pixel_values import CONVENTIONS, PixelValues
from imaging.preprocess import Interpolation
from schemas.errors import BundleError
from schemas.preprocess import ClaheSpec, PreprocessSpec

_CLAHE = (None, ClaheSpec(clip_limit=2.0), ClaheSpec(clip_limit=4.0))
_CROPPED_SHARES = (0.875, 1.0, 0.9, 0.95)
"""S of the shorter side: 224 of 256, and what timm's networks state as `crop_pct`."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to prepare films."""

    values: PixelValues
    spec: PreprocessSpec

    @property
    def parts(self) -> tuple[str, ...]:
        """E.g. '224', 'squash' or 'crop of 256', 'area', 'full_range', 'no CLAHE', '0..255'."""
        spec = self.spec
        clahe = "no CLAHE" if spec.clahe is None else f"CLAHE {spec.clahe.clip_limit:g},{spec.clahe.grid}"
        resize = f"crop of {spec.cropped_side}" if spec.resize == "crop" else spec.resize
        return str(spec.size), resize, spec.interpolation, spec.intensity, clahe, self.values.in_words

    @property
    def in_words(self) -> str:
        """E.g. '224, squash, area, full_range, no CLAHE, 0..255'."""
        return ", ".join(self.parts)


def stated_way(graph: ForeignGraph, description: NetworkDescription) -> Way:
    """The way that the description states, with defaults for what it leaves out.

    Raises:
        BundleError: no side is known, a crop is larger than the film, or means or deviations are not one for each
            channel.
    """
    size = graph.image.side or description.size
    if size is None:
        msg = "the graph takes films of any side; give --size, or --owner-outputs, which finds it"
        raise BundleError(msg)
    _require_crop_within(size, description)
    return Way(stated_values(graph, description), description.preprocess(size))


def _require_crop_within(size: int, description: NetworkDescription) -> None:
    if description.shorter_side is not None and description.shorter_side < size:
        msg = (
            f"--shorter-side {description.shorter_side} is below {size}, the side of the graph's input; a crop lies "
            "within the film"
        )
        raise BundleError(msg)


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
    """Every combination of what the description leaves open, the most widespread first.

    Raises:
        BundleError: a crop is larger than the film, or than every side that may be meant.
    """
    stated = description.model_fields_set
    size = graph.image.side or description.size
    if size is not None:
        _require_crop_within(size, description)

    def choices(name: str, *known: Any) -> tuple[Any, ...]:
        return (getattr(description, name),) if name in stated else known

    specs = [
        PreprocessSpec(size=side, **fitting, interpolation=interpolation, intensity=intensity, clahe=clahe)
        for side, clahe, resize, intensity, interpolation in product(
            USUAL_SIDES if size is None else (size,),
            choices("clahe", *_CLAHE),
            choices("resize", "squash", "pad", "crop"),
            choices("intensity", "full_range", "percentile"),
            choices("interpolation", "area"),
        )
        # What crops by habit, torchvision and timm, equalises nothing.
        if resize != "crop" or "resize" in stated or (clahe is None and intensity == "full_range")
        for fitting in _fittings(resize, side, description.shorter_side)
    ]
    if not specs:
        msg = f"--shorter-side {description.shorter_side} is below every usual side of films; state --size too"
        raise BundleError(msg)
    for spec in specs:
        for values in _values(graph, description):
            for polarity in choices("polarity", "monochrome2", "monochrome1"):
                yield Way(replace(values, polarity=polarity), spec)


def _fittings(resize: str, side: int, shorter_side: int | None) -> Iterator[dict[str, Any]]:
    """The parts of a `PreprocessSpec` that a way of resizing leaves open."""
    if resize != "crop":
        yield {"resize": resize}
    elif shorter_side is not None and side <= shorter_side:
        yield {"resize": resize, "shorter_side": shorter_side}
    elif shorter_side is None:
        yield from ({"resize": resize, "shorter_side": int(side / share)} for share in _CROPPED_SHARES)


def _values(graph: ForeignGraph, description: NetworkDescription) -> tuple[PixelValues, ...]:
    if values_are_stated(description) or graph.image.integer:
        return (stated_values(graph, description),)
    channels = graph.image.channels
    return tuple(each for each in CONVENTIONS if {len(each.mean), len(each.std)} <= {1, channels})


def by_interpolation(ways: Sequence[Way], description: NetworkDescription) -> list[Way]:
    """The ways by every interpolation, unless one is stated: it changes answers less than anything else does."""
    if "interpolation" in description.model_fields_set:
        return list(ways)
    kinds: tuple[Interpolation, ...] = ("area", "linear", "cubic", "nearest")
    return [replace(way, spec=way.spec.model_copy(update={"interpolation": kind})) for way in ways for kind in kinds]


def values_are_stated(description: NetworkDescription) -> bool:
    """Whether the description says anything of the scaling of pixels."""
    return bool(description.model_fields_set & {"value_range", "mean", "std"})
