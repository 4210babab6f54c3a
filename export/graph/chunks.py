"""A graph that takes a fixed number of films at once, run on any number of them, chunk after chunk."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph.image_input import ImageInput

CHUNK = "chunk/"
"""Before each name of what runs on one chunk, and of what cuts films into chunks."""


def in_chunks(
    inner: Sequence[onnx.NodeProto], image: ImageInput, films: str, scores: Sequence[str]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes that give for any number of films what a graph gives for B, and the constants that they use.

    A Scan runs the graph; the last chunk is filled with black films, whose scores are left out. All operators are
    those of opset 9.

    Args:
        inner: the graph's nodes, with `CHUNK` before each name; their constants stay outside the Scan.
        image: how the graph is fed, with B.
        films: name of the films outside.
        scores: names of the tensors that are wanted; each has B rows, or for B = 1 perhaps no axis of films.

    Returns:
        Nodes that read `films` and give float32 [N, M] under the names of `scores`, and constants.
    """
    count = image.at_once or 1
    axes = 3 if image.layout == "nhw" else 4
    numbers = {
        "first": 0,
        "sides": list(range(1, axes)),
        "count": count,
        "missing": count - 1,
        "missing_rows": [count - 1],
        "chunk_rows": [-1, count],
        "film_rows": [count, -1],
        "flat": [-1],
    }
    constants = [numpy_helper.from_array(np.array(value, np.int64), CHUNK + name) for name, value in numbers.items()]
    outputs = [f"scores{number}" for number in range(len(scores))]
    scan = helper.make_node(
        "Scan",
        [CHUNK + "chunks"],
        [f"{CHUNK}all_{name}" for name in outputs],
        body=_of_one_chunk(inner, image, films, dict(zip(outputs, scores, strict=True))),
        num_scan_inputs=1,
    )
    return [*_cut(films, image.type), scan, *_joined(dict(zip(outputs, scores, strict=True)))], constants


def _of_one_chunk(
    inner: Sequence[onnx.NodeProto], image: ImageInput, films: str, scores: dict[str, str]
) -> onnx.GraphProto:
    nodes = list(inner)
    for output, name in scores.items():
        nodes.append(_node("Cast", [name], f"cast_{output}", to=TensorProto.FLOAT))
        nodes.append(_node("Reshape", [f"cast_{output}", "film_rows"], output))
    return helper.make_graph(
        nodes,
        "one_chunk",
        [helper.make_tensor_value_info(CHUNK + films, image.type, None)],
        [helper.make_tensor_value_info(CHUNK + output, TensorProto.FLOAT, None) for output in scores],
    )


def _cut(films: str, kind: int) -> list[onnx.NodeProto]:
    """Films [N, ...] as `chunks` [ceil(N / B), B, ...]: with B - 1 black ones behind, as many as fill chunks."""
    black = helper.make_tensor("black", kind, [1], [0])
    shape = helper.make_node("Shape", [films], [CHUNK + "shape"])
    filled = helper.make_node("Concat", [films, CHUNK + "black"], [CHUNK + "filled"], axis=0)
    return [
        shape,
        _node("Gather", ["shape", "first"], "number", axis=0),
        _node("Gather", ["shape", "sides"], "film_shape", axis=0),
        _node("Concat", ["missing_rows", "film_shape"], "black_shape", axis=0),
        _node("ConstantOfShape", ["black_shape"], "black", value=black),
        filled,
        _node("Add", ["number", "missing"], "most"),
        _node("Div", ["most", "count"], "number_of_chunks"),
        _node("Mul", ["number_of_chunks", "count"], "taken"),
        *_first_rows("filled", "taken", CHUNK + "whole"),
        _node("Concat", ["chunk_rows", "film_shape"], "chunks_shape", axis=0),
        _node("Reshape", ["whole", "chunks_shape"], "chunks"),
    ]


def _joined(scores: dict[str, str]) -> list[onnx.NodeProto]:
    """Scores [ceil(N / B), B, M] as [N, M]."""
    nodes = []
    for output, name in scores.items():
        nodes.append(_node("Flatten", [f"all_{output}"], f"rows_{output}", axis=2))
        nodes += _first_rows(f"rows_{output}", "number", name)
    return nodes


def _first_rows(values: str, number: str, result: str) -> list[onnx.NodeProto]:
    """So many of the first rows; Slice has changed since opset 9, Compress has not."""
    true = helper.make_tensor("true", TensorProto.BOOL, [1], [True])
    return [
        _node("Reshape", [number, "flat"], f"{values}_length"),
        _node("ConstantOfShape", [f"{values}_length"], f"{values}_mask", value=true),
        helper.make_node("Compress", [CHUNK + values, f"{CHUNK}{values}_mask"], [result], axis=0),
    ]


def _node(operation: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operation, [CHUNK + name for name in inputs], [CHUNK + output], **attributes)
