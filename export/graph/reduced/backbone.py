"""The part of a graph that is worth fewer bits: from the image to the feature map, where nearly all the time goes."""

from collections.abc import Iterable

import onnx

IMAGE = "image"


def backbone(graph: onnx.GraphProto) -> tuple[onnx.NodeProto, ...]:
    """The nodes up to the last tensor that everything computed from the image goes through, in the order of the graph.

    That tensor is the feature map: what comes after it (the head and its gradients, the softmax, the embedding, the
    maps) branches, and takes a few percent of the time.
    """
    end = len(graph.node)
    last_use = {name: index for index, node in enumerate(graph.node) for name in node.input}
    last_use |= dict.fromkeys((output.name for output in graph.output), end)
    alive = {IMAGE}
    computed = list[onnx.NodeProto]()
    length = 0
    for index, node in enumerate(graph.node):
        # The number of films is not a pixel: a node that reads the shape of the image does not read the image.
        if node.op_type != "Shape" and not alive.isdisjoint(node.input):
            alive.update(node.output)
            computed.append(node)
        alive = {name for name in alive if last_use.get(name, -1) > index}
        if len(alive) == 1:
            length = len(computed)
    return tuple(computed[:length])


def after_convolutions(nodes: Iterable[onnx.NodeProto], skipped: int) -> tuple[onnx.NodeProto, ...]:
    """The nodes from convolution number `skipped` (from 0) on."""
    convolutions = 0
    following = list[onnx.NodeProto]()
    for node in nodes:
        convolutions += node.op_type == "Conv"
        if convolutions > skipped:
            following.append(node)
    return tuple(following)
