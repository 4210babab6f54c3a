"""The part of a graph that is worth fewer bits: from what the network sees to its feature map, its longest part."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import onnx

IMAGE: Final = "image"
LOGITS: Final = "logits"


def backbone(graph: onnx.GraphProto) -> tuple[onnx.NodeProto, ...]:
    """The nodes up to the last tensor that everything computed from what the network sees goes through, in their order.

    That tensor is the feature map: what comes after it (the head and its gradients, the softmax, the embedding, the
    maps) branches, and takes a few percent of the time. A network without a guide sees the image. One behind a guide
    sees the part that the guide has chosen; the guide itself is not of the backbone, for fewer bits would move the
    lungs' box.
    """
    nodes: tuple[onnx.NodeProto, ...] = ()
    for nodes, _ in _narrows(graph.node, _seen(graph), [output.name for output in graph.output]):  # noqa: B007 the last
        pass
    return nodes


def after_convolutions(nodes: Iterable[onnx.NodeProto], skipped: int) -> tuple[onnx.NodeProto, ...]:
    """The nodes from convolution number `skipped` (from 0) on."""
    convolutions = 0
    following = list[onnx.NodeProto]()
    for node in nodes:
        convolutions += node.op_type == "Conv"
        if convolutions > skipped:
            following.append(node)
    return tuple(following)


def _seen(graph: onnx.GraphProto) -> str:
    """What the network sees: the first tensor through which alone the image reaches the logits, behind a guide."""
    before = _narrows(_ancestors(graph, LOGITS), IMAGE, [LOGITS])
    nodes, tensor = next(((nodes, tensor) for nodes, tensor in before if tensor != IMAGE), ((), IMAGE))
    has_guide = any(node.op_type == "Conv" for node in nodes[:-1])
    return tensor if has_guide else IMAGE


def _ancestors(graph: onnx.GraphProto, result: str) -> list[onnx.NodeProto]:
    """The nodes on which a tensor depends, in the order of the graph."""
    needed = {result}
    found = list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            found.append(node)
    return found[::-1]


def _narrows(
    nodes: Sequence[onnx.NodeProto], start: str, results: Iterable[str]
) -> Iterator[tuple[tuple[onnx.NodeProto, ...], str]]:
    """Each tensor through which alone all goes that is computed from `start`, with the nodes that compute it."""
    end = len(nodes)
    last_use = {name: index for index, node in enumerate(nodes) for name in node.input} | dict.fromkeys(results, end)
    alive = {start}
    computed = list[onnx.NodeProto]()
    for index, node in enumerate(nodes):
        # The number of films is not a pixel: a node that reads the shape of the image does not read the image.
        if node.op_type != "Shape" and not alive.isdisjoint(node.input):
            alive.update(node.output)
            computed.append(node)
        alive = {name for name in alive if last_use.get(name, -1) > index}
        if len(alive) == 1:
            yield tuple(computed), next(iter(alive))
