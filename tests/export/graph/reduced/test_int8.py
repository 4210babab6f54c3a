"""Eight bits for the backbone, and nothing else."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.session import Session
from export.graph.reduced.backbone import backbone
from export.graph.reduced.int8 import quantize, round_keeping_means


@pytest.fixture(scope="module")
def model(bundle):
    return onnx.load(bundle / "model.onnx")


@pytest.fixture(scope="module")
def quantized(model, trial):
    return onnx.load_from_string(quantize(model, trial.films, float_convolutions=1))


def node_making(graph, tensor):
    return next((node for node in graph.node if tensor in node.output), None)


def test_the_first_convolution_and_the_head_stay_float_and_the_second_convolution_does_not(quantized) -> None:
    convolutions = [node for node in quantized.graph.node if node.op_type == "Conv"]
    fed_by = [node_making(quantized.graph, node.input[1]) for node in convolutions]
    heads = [node for node in quantized.graph.node if node.op_type in {"Gemm", "MatMul", "Softmax"}]

    assert [maker and maker.op_type for maker in fed_by] == [None, "DequantizeLinear"]
    assert heads
    for node in heads:
        makers = [node_making(quantized.graph, name) for name in node.input]
        assert "DequantizeLinear" not in [maker.op_type for maker in makers if maker is not None]


def test_weights_have_a_scale_for_each_output_channel(quantized) -> None:
    second = [node for node in quantized.graph.node if node.op_type == "Conv"][1]
    scale = node_making(quantized.graph, second.input[1]).input[1]
    tensor = next(tensor for tensor in quantized.graph.initializer if tensor.name == scale)

    assert list(tensor.dims) == [64]


def test_the_outputs_are_those_of_fp32_but_for_the_rounding(model, quantized, trial) -> None:
    targets = np.full(len(trial.films), 1)
    exact = Session(model.SerializeToString()).run(trial.films, targets)
    found = Session(quantized.SerializeToString()).run(trial.films, targets)

    for name, values in exact.items():
        difference = np.abs(found[name] - values).max() / np.abs(values).max()
        assert 0 < difference < 0.05, name


def test_the_graph_still_says_what_it_is_and_names_no_folder(model, quantized) -> None:
    assert {entry.key: entry.value for entry in quantized.metadata_props} == {
        entry.key: entry.value for entry in model.metadata_props
    }
    assert b"/tmp" not in quantized.SerializeToString()


def test_quantizing_leaves_the_fp32_graph_alone_and_is_quiet(model, trial, capfd, caplog) -> None:
    before = model.SerializeToString()

    quantize(model, trial.films[:4], float_convolutions=0)

    assert model.SerializeToString() == before
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_the_part_that_is_quantized_is_the_backbone(model) -> None:
    assert [node.op_type for node in backbone(model.graph)].count("Conv") == 2


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([(3, 1, 3, 3), (2, 4, 1, 1), (5, 2, 3, 3)]))
def test_rounded_weights_are_whole_steps_less_than_one_step_away(seed, shape) -> None:
    random = np.random.default_rng(seed)
    weights = random.normal(size=shape).astype(np.float32)
    means = random.normal(1, 1, size=shape[:2]).astype(np.float32)
    steps = np.abs(weights).reshape(shape[0], -1).max(1)[:, None, None, None] / 127

    rounded = round_keeping_means(weights, means)

    np.testing.assert_allclose(rounded / steps, np.round(rounded / steps), atol=1e-3)
    assert np.abs(rounded - weights).max() < 1.001 * steps.max()
    assert (np.abs(rounded / steps) < 127.001).all()


def test_an_edge_filter_answers_to_no_gray_level_after_rounding() -> None:
    random = np.random.default_rng(0)
    kernels = random.normal(size=(32, 1, 3, 3)).astype(np.float32)
    kernels -= kernels.mean(axis=(2, 3), keepdims=True)
    steps = np.abs(kernels).reshape(32, -1).max(1) / 127
    nearest = np.round(kernels / steps[:, None, None, None]) * steps[:, None, None, None]

    kept = round_keeping_means(kernels, np.ones((32, 1), np.float32))

    assert np.abs(nearest.sum(axis=(1, 2, 3)) / steps).max() > 0.9
    assert np.abs(kept.sum(axis=(1, 2, 3)) / steps).max() < 0.51


def test_the_mean_that_counts_is_that_of_each_input_channel() -> None:
    random = np.random.default_rng(1)
    weights = random.normal(size=(16, 24, 1, 1)).astype(np.float32)
    means = random.uniform(0, 6, (16, 24))
    steps = np.abs(weights).reshape(16, -1).max(1) / 127
    nearest = np.round(weights / steps[:, None, None, None]) * steps[:, None, None, None]

    kept = round_keeping_means(weights, means.astype(np.float32))

    def shift(rounded):
        return np.abs(((rounded - weights)[..., 0, 0] * means).sum(1) / steps).max()

    assert shift(kept) < shift(nearest) / 3


def test_a_channel_without_weights_stays_empty() -> None:
    weights = np.zeros((2, 1, 3, 3), np.float32)

    assert (round_keeping_means(weights, np.ones((2, 1), np.float32)) == 0).all()
