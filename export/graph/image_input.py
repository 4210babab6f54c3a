"""The input of a graph that was trained elsewhere: where its channels stand, how many, of which type and side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import onnx
from onnx import TensorProto, helper

from schemas.errors import BundleError

Layout = Literal["nchw", "nhwc", "nhw"]

CHANNELS = (1, 3)
"""What is tried where the graph does not state it."""
SIDES = range(16, 1025)
"""What a bundle can prepare, see `schemas.preprocess.PreprocessSpec.size`."""
USUAL_SIDES = (224, 256, 299, 320, 384, 512, 448, 240, 128, 150, 180, 160, 192, 200, 96, 64)
"""What is tried where neither the graph nor its owner states it."""
_INTEGERS: Mapping[int, float] = {
    TensorProto.UINT8: 255.0,
    TensorProto.INT8: 127.0,
    TensorProto.UINT16: 65535.0,
    TensorProto.INT16: 32767.0,
    TensorProto.INT32: 2147483520.0,  # the largest that float32 holds below 2**31
    TensorProto.INT64: 2147483520.0,
}
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
_FLAT_AXES = 2
_GRAY_AXES = 3
_IMAGE_AXES = 4


@dataclass(frozen=True, slots=True)
class ImageInput:
    """One way to feed films to a graph."""

    name: str
    type: int
    """`onnx.TensorProto` type of its values."""
    layout: Layout
    """nhw: no axis of channels."""
    channels: int
    side: int | None
    """S; None: any."""
    at_once: int | None = None
    """B, where the graph takes this number of films at once and no other; None: any number."""

    @property
    def integer(self) -> bool:
        """Whether pixels are whole numbers."""
        return self.type in _INTEGERS

    @property
    def notes(self) -> tuple[str, ...]:
        """How the graph is fed, in words."""
        kind = TensorProto.DataType.Name(self.type).lower()
        notes = (f"input {self.name}: {self.layout}, {self.channels} channels, {kind}",)
        if self.at_once is None:
            return notes
        films = "one film" if self.at_once == 1 else f"{self.at_once} films"
        filled = "" if self.at_once == 1 else ", the last of them filled with black films"
        way = f"the graph takes {films} at once and no other number: a batch is run in parts{filled}"
        return (*notes, f"{way}; exported with a dynamic first axis it would be faster")

    def nodes(self, pixels: str, target: str) -> list[onnx.NodeProto]:
        """Nodes that turn float32 [N, C, S, S] into what the graph takes."""
        largest = _INTEGERS.get(self.type)
        steps = []
        if largest is not None:  # Round is younger than opset 9
            steps += [("Add", ("rounding",)), ("Floor", ()), ("Max", ("least",)), ("Min", ("largest",))]
        nodes = []
        value = pixels
        for number, (operation, arguments) in enumerate(steps):
            nodes.append(helper.make_node(operation, [value, *arguments], [f"pixels{number}"]))
            value = f"pixels{number}"
        if self.layout == "nhwc":
            nodes.append(helper.make_node("Transpose", [value], ["channels_last"], perm=[0, 2, 3, 1]))
            value = "channels_last"
        elif self.layout == "nhw":
            nodes.append(helper.make_node("Gather", [value, "only_channel"], ["gray"], axis=1))
            value = "gray"
        return [*nodes, helper.make_node("Cast", [value], [target], to=self.type)]

    def constants(self) -> dict[str, tuple[int, float]]:
        """Scalars that the nodes use: type and value."""
        largest = _INTEGERS.get(self.type, 0.0)
        least = 0.0 if self.type in {TensorProto.UINT8, TensorProto.UINT16} else -largest
        numbers = {"rounding": 0.5, "least": least, "largest": largest} if self.integer else {}
        constants = {name: (int(TensorProto.FLOAT), value) for name, value in numbers.items()}
        return constants | ({"only_channel": (int(TensorProto.INT64), 0)} if self.layout == "nhw" else {})


def possible_inputs(model: onnx.ModelProto, size: int | None, layout: Layout | None) -> tuple[ImageInput, ...]:
    """Every way to feed films that the graph's declared shape allows, the likeliest first.

    Args:
        model: as its owner exported it.
        size: S, if it is known.
        layout: of its input, if it is known.

    Raises:
        BundleError: there is none.
    """
    entry = _only_input(model)
    tensor = entry.type.tensor_type
    shape = [axis.dim_value for axis in tensor.shape.dim]  # 0: dynamic
    _require_type(entry.name, tensor.elem_type)
    if not tensor.HasField("shape"):
        shape = [0] * _IMAGE_AXES
    found = [
        ImageInput(entry.name, tensor.elem_type, where, channels, side or None)
        for where, count, sides in _readings(shape)
        if layout in {None, where} and (side := _side(sides, size)) is not None
        for channels in ([count] if count else CHANNELS)
    ]
    if not found:
        raise _unfit(entry.name, shape, size)
    return tuple(found)


def fixed_batch(model: onnx.ModelProto) -> int:
    """The number of films that the graph's input declares; 1 where it declares none."""
    axes = _only_input(model).type.tensor_type.shape.dim
    return (axes[0].dim_value if axes else 0) or 1


def _only_input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    constants = {entry.name for entry in model.graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [entry for entry in model.graph.input if entry.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(entry.name for entry in inputs) or "none"
        msg = (
            f"the graph must have one input, the film, and has {names}; export it again with all others as constants "
            "(a flag of training as false)"
        )
        raise BundleError(msg)
    return inputs[0]


def _require_type(name: str, kind: int) -> None:
    if kind not in _INTEGERS and kind not in FLOATS:
        known = TensorProto.DataType.Name(kind).lower() if kind else "not a tensor"
        msg = f"the input {name} is {known}; export the graph with pixels as numbers, float32 or uint8"
        raise BundleError(msg)


def _readings(shape: Sequence[int]) -> list[tuple[Layout, int, Sequence[int]]]:
    """Layouts with the number of channels (0: any) and the two sides, that a shape can mean."""
    if len(shape) == _GRAY_AXES:
        return [("nhw", 1, shape[1:])]
    if len(shape) != _IMAGE_AXES:
        return []
    _, first, second, third = shape
    return [("nchw", first, (second, third)), ("nhwc", third, (first, second))]


def _side(sides: Sequence[int], size: int | None) -> int | None:
    """The side of a square, 0 for any; None: not a square that films could be prepared for, or not of this size."""
    stated = {side for side in sides if side}
    if len(stated) > 1:
        return None
    side = stated.pop() if stated else 0
    fits = (not side or side in SIDES) and size in {None, side or size}
    return side if fits else None


def _unfit(name: str, shape: Sequence[int], size: int | None) -> BundleError:
    side = "S" if size is None else size
    remedy = "correct --size, or export it again"
    if len(shape) == _FLAT_AXES:
        remedy = "it takes films that are flat: export it again with the reshape inside"
    elif len(shape) == _IMAGE_AXES and len({*shape[1:]}) > 2 - (0 in shape[1:]):
        remedy = "a bundle prepares square films: export it again with equal sides, and correct --size"
    msg = (
        f"the graph must have one input float32 [N, C, {side}, {side}], and has {name} {list(shape)}; {remedy} (also "
        "[N, S, S, C], [N, S, S], float16 and integers are read)"
    )
    return BundleError(msg)
