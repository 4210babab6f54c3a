"""A graph with 16-bit weights and activations, for GPUs."""

import copy
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from export.graph.reduced.backbone import after_convolutions, backbone

FLOAT = onnx.TensorProto.FLOAT
HALF = onnx.TensorProto.FLOAT16
_SUFFIX = "_half"


def halve(model: onnx.ModelProto) -> bytes:
    """The graph with its backbone in float16, from the first convolution to the feature map; all else stays float32.

    The head and its gradients are a thousandth of the work, and Grad-CAM++ divides cubes of small gradients, which
    float16 has no room for. The converter of ONNX Runtime 1.31 gives two nodes one name where outputs stay float32.

    Args:
        model: the fp32 graph, which has a type for each of its tensors; it is not changed.
    """
    halved = copy.deepcopy(model)
    graph = halved.graph
    inside = after_convolutions(backbone(graph), 0)
    names = _half_names(graph, inside)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    weights = [stored[name] for name in names if name in stored]
    graph.initializer.extend(
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), names[tensor.name])
        for tensor in weights
    )
    nodes = list(_rewritten(graph, inside, {name: half for name, half in names.items() if name not in stored}, names))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    content: bytes = halved.SerializeToString()
    return content


def _half_names(graph: onnx.GraphProto, inside: Sequence[onnx.NodeProto]) -> Mapping[str, str]:
    """Names in float16 of the float32 tensors that the nodes touch."""
    types = {entry.name: entry.type.tensor_type.elem_type for entry in (*graph.value_info, *graph.input)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    touched = [name for node in inside for name in (*node.input, *node.output)]
    return {name: f"{name}{_SUFFIX}" for name in touched if types.get(name) == FLOAT}


def _rewritten(
    graph: onnx.GraphProto, inside: Sequence[onnx.NodeProto], tensors: Mapping[str, str], names: Mapping[str, str]
) -> Iterator[onnx.NodeProto]:
    """The nodes of the graph in their order, with casts where tensors enter and leave float16."""
    identities = {id(node) for node in inside}
    outside = {name for node in graph.node if id(node) not in identities for name in node.input}
    halves: set[str] = set()
    for node in graph.node:
        if id(node) not in identities:
            yield node
            continue
        for name in node.input:
            if name in tensors and name not in halves:
                halves.add(name)
                yield onnx.helper.make_node("Cast", [name], [tensors[name]], f"{name}_to_half", to=HALF)
        rewritten = copy.deepcopy(node)
        rewritten.input[:] = [names.get(name, name) for name in node.input]
        rewritten.output[:] = [names.get(name, name) for name in node.output]
        for attribute in rewritten.attribute if rewritten.op_type == "Cast" else ():
            attribute.i = HALF if attribute.name == "to" and attribute.i == FLOAT else attribute.i
        yield rewritten
        for name in node.output:
            if name in tensors:
                halves.add(name)
                if name in outside:
                    yield onnx.helper.make_node("Cast", [tensors[name]], [name], f"{name}_to_float", to=FLOAT)
