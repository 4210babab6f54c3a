"""Sixteen bits for the backbone, for GPUs; what goes in and comes out stays float32."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from bundle.session import Session
from export.graph.reduced.fp16 import halve


@pytest.fixture(scope="module")
def model(bundle):
    return onnx.load(bundle / "model.onnx")


@pytest.fixture(scope="module")
def halved(model):
    return onnx.load_from_string(halve(model))


def test_the_weights_of_the_convolutions_are_float16_and_those_of_the_head_are_not(halved) -> None:
    types = {tensor.name: tensor.data_type for tensor in halved.graph.initializer}
    weights = {node.op_type: types[node.input[1]] for node in halved.graph.node if node.op_type in {"Conv", "Gemm"}}

    assert weights == {"Conv": TensorProto.FLOAT16, "Gemm": TensorProto.FLOAT}


def test_inputs_and_outputs_keep_their_names_types_and_shapes(model, halved) -> None:
    assert halved.graph.input == model.graph.input
    assert halved.graph.output == model.graph.output
    onnx.checker.check_model(halved, full_check=True)


def test_the_file_holds_no_weight_twice(model, halved) -> None:
    assert halved.ByteSize() < 0.8 * model.ByteSize()
    used = {name for node in halved.graph.node for name in node.input}
    assert {tensor.name for tensor in halved.graph.initializer} <= used


def test_the_outputs_are_those_of_fp32_but_for_the_rounding(model, halved, trial) -> None:
    targets = np.full(len(trial.films), 1)
    exact = Session(model.SerializeToString()).run(trial.films, targets)
    found = Session(halved.SerializeToString()).run(trial.films, targets)

    for name, values in exact.items():
        difference = np.abs(found[name] - values).max() / np.abs(values).max()
        assert 0 < difference < 5e-3, name


def test_halving_leaves_the_fp32_graph_alone(model) -> None:
    before = model.SerializeToString()

    halve(model)

    assert model.SerializeToString() == before
