"""A graph that was trained elsewhere between nodes of ours: its own keep names of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from export.graph.chunks import CHUNK, in_chunks
from export.graph.image_input import ImageInput

PREFIX = "adopted/"
"""Before each name of the owner's graph."""
_IR_WITH_CONSTANTS = 4
"""The first that lets a graph have weights which are not inputs."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Nodes before and after those of the owner, and the constants that they use."""

    before: Sequence[onnx.NodeProto]
    after: Sequence[onnx.NodeProto]
    constants: Mapping[str, NDArray[np.generic]]


def arrays(constants: Mapping[str, tuple[int, float | Sequence[int]]]) -> dict[str, NDArray[np.generic]]:
    """Arrays of constants, which are given by type and value."""
    return {name: np.array(value, helper.tensor_dtype_to_np_dtype(kind)) for name, (kind, value) in constants.items()}


def assembled(
    model: onnx.ModelProto,
    image: ImageInput,
    frame: Frame,
    inputs: Sequence[tuple[str, Sequence[str | int]]],
    outputs: Sequence[tuple[str, Sequence[str | int | None]]],
) -> onnx.ModelProto:
    """The owner's nodes between others, under names of their own, with a film and a target as its inputs."""
    inner = compose.add_prefix(model, PREFIX if image.at_once is None else CHUNK + PREFIX)
    graph = inner.graph
    owned = list(graph.node)
    if image.at_once is not None:
        read = dict.fromkeys(name for node in frame.after for name in node.input if name.startswith(PREFIX))
        owned, constants = in_chunks(owned, image, PREFIX + image.name, list(read))
        graph.initializer.extend(constants)
    nodes = [*frame.before, *owned, *frame.after]
    for field in ("node", "input", "output", "value_info"):
        graph.ClearField(field)
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in frame.constants.items())
    for name, shape in inputs:
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph.input.append(helper.make_tensor_value_info("target", TensorProto.INT64, ["N"]))
    for name, sizes in outputs:
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes))
    inner.ClearField("metadata_props")
    inner.ir_version = max(inner.ir_version, _IR_WITH_CONSTANTS)
    return inner
