"""An ONNX file that was trained elsewhere, as a graph of `schemas.model.manifest.GraphContract`.

It takes one gray channel and gives calibrated probabilities; it has no heat maps.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from bundle.session import first_line
from export.description import NetworkDescription
from schemas.errors import BundleError

_PREFIX = "adopted/"


def read_graph(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, with weights that lie next to it, and check that it is a sound graph.

    Raises:
        BundleError: it is not.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, the checker and the file system have no error in common
        msg = f"{path.name} cannot be read as an ONNX graph: {first_line(error)}; export it again"
        raise BundleError(msg) from error
    return model


def wire(
    model: onnx.ModelProto, description: NetworkDescription, *, temperature: float, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """Put a graph between the inputs and outputs of the contract, without heat maps.

    The embedding is the logits: it is not used, because the training films that it would be compared with are unknown.

    Args:
        model: as its owner exported it.
        description: its input and output.
        temperature: probabilities = softmax(logits / temperature).
        metadata: the description that the file will carry.

    Raises:
        BundleError: it has not one input [N, C, S, S] of float32, or not the output.
    """
    size = description.size
    image, channels = _image_input(model, size)
    logits = _logits_output(model, description.logits)
    inner = compose.add_prefix(model, _PREFIX)
    graph = inner.graph
    for name, values in (("mean", description.mean), ("std", description.std)):
        graph.initializer.append(numpy_helper.from_array(_per_channel(name, values, channels), name))
    graph.initializer.append(numpy_helper.from_array(np.array(temperature, np.float32), "temperature"))
    nodes = _wired_nodes(graph.node, _PREFIX + image, _PREFIX + logits)
    for field in ("node", "input", "output", "value_info"):
        graph.ClearField(field)
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, size, size]))
    graph.input.append(helper.make_tensor_value_info("target", TensorProto.INT64, ["N"]))
    for name in ("logits", "probabilities", "embedding"):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", len(description.classes)]))
    inner.ClearField("metadata_props")
    helper.set_model_props(inner, dict(metadata))
    return inner


def _wired_nodes(nodes: Iterable[onnx.NodeProto], image: str, logits: str) -> list[onnx.NodeProto]:
    """The owner's nodes between the normalisation of `image` and the answers made of `logits`."""
    return [
        helper.make_node("Sub", ["image", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], [image]),  # broadcasting replicates the gray channel
        *nodes,
        helper.make_node("Identity", [logits], ["logits"]),
        helper.make_node("Identity", ["logits"], ["embedding"]),
        helper.make_node("Div", ["logits", "temperature"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["probabilities"], axis=1),
    ]


def _image_input(model: onnx.ModelProto, size: int) -> tuple[str, int]:
    constants = {entry.name for entry in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in constants]
    shapes = {
        entry.name: [axis.dim_value for axis in entry.type.tensor_type.shape.dim]  # 0: dynamic
        for entry in inputs
        if entry.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    if len(inputs) == len(shapes) == 1:
        ((name, shape),) = shapes.items()
        if len(shape) == 4 and shape[1] > 0 and all(side in {0, size} for side in shape[2:]):  # noqa: PLR2004 - [N, C, S, S]
            return name, shape[1]
    actual = ", ".join(f"{entry.name} {shapes.get(entry.name, 'of another type')}" for entry in inputs)
    msg = (
        f"the graph must have one input float32 [N, C, {size}, {size}], and has {actual or 'none'}; correct --size, or "
        "export it again"
    )
    raise BundleError(msg)


def _logits_output(model: onnx.ModelProto, named: str | None) -> str:
    outputs = [entry.name for entry in model.graph.output]
    tensor = outputs[0] if named is None and len(outputs) == 1 else named
    produced = {name: node.op_type for node in model.graph.node for name in node.output}
    if tensor is None or tensor not in produced:
        msg = f"name the logits among the graph's tensors by --logits; its outputs are {', '.join(outputs)}"
        raise BundleError(msg)
    if produced[tensor] in {"Softmax", "Sigmoid"}:
        msg = f"{tensor} is the output of a {produced[tensor]}; name the tensor before it by --logits"
        raise BundleError(msg)
    return tensor


def _per_channel(name: str, values: Sequence[float], channels: int) -> NDArray[np.float32]:
    if len(values) != channels:
        msg = f"--{name} has {len(values)} values and the graph's input {channels} channels; give one for each channel"
        raise BundleError(msg)
    return np.array(values, np.float32).reshape(1, channels, 1, 1)
