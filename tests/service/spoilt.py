"""Bundles as a bad exporter, a bad copy or an attacker would publish them, made from a tiny one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.service.bundles import change_manifest, replace_file
from tests.service.network import graph, tiny_network


def nan_weights(directory: Path) -> None:
    network = tiny_network()
    network.head[:] = np.nan
    replace_file(directory, "model.onnx", graph(network).SerializeToString())


def other_class_count(directory: Path) -> None:
    replace_file(directory, "model.onnx", graph(tiny_network(classes=3)).SerializeToString())


def other_weights(directory: Path) -> None:
    network = tiny_network()
    network.bias[:] += np.array([0.5, -0.5], np.float32)
    replace_file(directory, "model.onnx", graph(network).SerializeToString())


def weights_outside(directory: Path) -> None:
    model = graph(tiny_network())
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "kernels")
    (directory / "weights.bin").write_bytes(numpy_helper.to_array(tensor).tobytes())
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    replace_file(directory, "model.onnx", model.SerializeToString())


def flipped(directory: Path) -> None:
    content = bytearray((directory / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (directory / "model.onnx").write_bytes(content)


def truncated(directory: Path) -> None:
    content = (directory / "model.onnx").read_bytes()
    (directory / "model.onnx").write_bytes(content[: len(content) // 2])


def other_classes(directory: Path) -> None:
    change_manifest(directory, classes=["NORMAL", "COVID"])


def slow(directory: Path) -> None:
    """The same answers, and 64 products of large matrices for nothing."""
    steps = 64
    constants: dict[str, NDArray[Any]] = {"times": np.array([1, 1, 6, 6], np.int64), "nothing": np.array(0, np.float32)}
    work = [helper.make_node("Tile", ["image", "times"], ["product0"])]
    for step in range(steps):
        work.append(helper.make_node("MatMul", [f"product{step}", "product0"], [f"large{step}"]))
        work.append(helper.make_node("Sigmoid", [f"large{step}"], [f"product{step + 1}"]))
    work += [
        helper.make_node("ReduceMean", [f"product{steps}"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["none"]),
    ]
    _add_to_answer(directory, work, constants)


def looping(directory: Path, above: float = -1.0) -> None:
    """The same answers, and a loop that never ends for films whose mean is above a bound: all, unless one is given."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["again"], ["on"]), helper.make_node("Identity", ["value"], ["same"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same", TensorProto.FLOAT, []),
        ],
    )
    work = [
        helper.make_node("ReduceMean", ["image"], ["brightness"], keepdims=0),
        helper.make_node("Greater", ["brightness", "bound"], ["bright"]),
        helper.make_node("Loop", ["", "bright", "brightness"], ["looped"], body=body),
        helper.make_node("Mul", ["looped", "nothing"], ["none"]),
    ]
    _add_to_answer(directory, work, {"bound": np.array(above, np.float32), "nothing": np.array(0, np.float32)})


def greedy(directory: Path) -> None:
    """The same answers, and an array of 40 GB for nothing."""
    work = [
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("Add", ["huge", "one"], ["touched"]),
        helper.make_node("ReduceMax", ["touched"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "nothing"], ["none"]),
    ]
    values: dict[str, NDArray[Any]] = {"shape": np.array([10**10], np.int64), "one": np.array([1], np.float32)}
    _add_to_answer(directory, work, values | {"nothing": np.array(0, np.float32)})


def _add_to_answer(directory: Path, work: list[onnx.NodeProto], constants: Mapping[str, NDArray[Any]]) -> None:
    """Add the value `none` to the logits."""
    model = graph(tiny_network())
    network = model.graph
    network.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    nodes = list(network.node)
    at = next(index for index, node in enumerate(nodes) if "logits" in node.output)
    nodes[at].output[0] = "answer"
    del network.node[:]
    network.node.extend(
        [*nodes[: at + 1], *work, helper.make_node("Add", ["answer", "none"], ["logits"]), *nodes[at + 1 :]]
    )
    onnx.checker.check_model(model, full_check=True)
    replace_file(directory, "model.onnx", model.SerializeToString())


SPOILT: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "truncated file": (truncated, "model.onnx"),
    "flipped bit": (flipped, "model.onnx"),
    "NaN weights": (nan_weights, "golden|no numbers|temperature"),
    "other class count": (other_class_count, "sizes"),
    "weights outside the graph": (weights_outside, "cannot be loaded"),
    "golden mismatch": (other_weights, "golden (logits|probabilities)"),
    "other classes": (other_classes, "COVID"),
}
"""What was done to a bundle, and a pattern that the reason of its refusal matches."""
