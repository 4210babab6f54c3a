"""A graph with 8-bit weights and activations: static quantization, calibrated on training films."""

import copy
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from bundle.session import Session
from export.graph.reduced.backbone import after_convolutions, backbone

LARGEST = 127
"""Weights are symmetric: -127 to 127 steps."""

_MEANS_FILMS = 32
_FLOAT_OPERATIONS = {"LayerNormalization"}  # its weights [C] have no axis for a scale of each channel
# ONNX Runtime warns of graphs without this mark of its optimizer; torch's exporter has folded the constants already.
_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}


def quantize(model: onnx.ModelProto, films: NDArray[np.float32], *, float_convolutions: int) -> bytes:
    """The graph with int8 weights (a scale for each output channel) and uint8 activations in its backbone.

    What follows the feature map stays float: the head and its gradients, the softmax, the embedding. So does the
    beginning: the first convolution sees raw pixels, and no later layer restores what it loses.

    Args:
        model: the fp32 graph; it is not changed.
        films: [T, 1, S, S], training films that set the ranges.
        float_convolutions: how many convolutions at the beginning stay float.
    """
    nodes = after_convolutions(backbone(model.graph), float_convolutions)
    prepared = copy.deepcopy(model)
    _round_weights(prepared, nodes, films[:: -(-len(films) // _MEANS_FILMS)])
    onnx.helper.set_model_props(prepared, _PREPARED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantize_static(
            prepared,
            path,
            _Films(films),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[node.name for node in nodes if node.op_type not in _FLOAT_OPERATIONS],
        )
        quantized = onnx.load(path)
    onnx.helper.set_model_props(quantized, {entry.key: entry.value for entry in model.metadata_props})
    content: bytes = quantized.SerializeToString()
    return content


def round_keeping_means(weights: NDArray[np.float32], means: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round the weights of a convolution to their 8-bit steps so that each output channel keeps its mean.

    Rounding to nearest moves an output by sum(error * input), which for the smooth films of this project is nearly the
    same at every place: an edge filter whose weights cancel answers to the gray level instead. So the roundings that
    were closest go the other way until the error of the mean is gone.

    Args:
        weights: [O, I, kh, kw].
        means: [O, I], mean input that each of them is multiplied with.

    Returns:
        Multiples of each channel's step, max|weight| / 127, less than one step from the weights.

    Source: the aim is that of bias correction (Nagel et al., ICCV 2019, arXiv:1906.04721, 4.2), reached by rounding.
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    steps = np.abs(flat).max(axis=1, keepdims=True) / LARGEST
    steps[steps == 0] = 1.0
    inputs = np.repeat(means.astype(np.float64), flat.shape[1] // means.shape[1], axis=1)
    rounded = np.stack([_round_channel(row, mean) for row, mean in zip(flat / steps, inputs, strict=True)])
    kept: NDArray[np.float32] = (rounded * steps).reshape(weights.shape).astype(np.float32)
    return kept


def _round_channel(values: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values in steps [J] to whole steps, with (rounded - values) @ means near 0."""
    rounded = np.round(values)
    error = (rounded - values) @ means
    other_way = np.where(values > rounded, 1.0, -1.0)
    effect = other_way * means
    useful = np.flatnonzero((effect * error < 0) & (np.abs(rounded + other_way) <= LARGEST))
    cost = (1 - 2 * np.abs(values - rounded)[useful]) / np.abs(effect[useful])
    order = useful[np.argsort(cost)]
    left = np.abs(error + np.concatenate([[0.0], np.cumsum(effect[order])]))
    turned = order[: int(left.argmin())]
    rounded[turned] += other_way[turned]
    return rounded


def _round_weights(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], films: NDArray[np.float32]) -> None:
    """Replace the weights of the convolutions among the nodes by their roundings."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    convolutions = [node for node in nodes if node.op_type == "Conv" and node.input[1] in stored]
    inputs = _channel_means(model, dict.fromkeys(node.input[0] for node in convolutions), films)
    for node in convolutions:
        weights = numpy_helper.to_array(stored[node.input[1]])
        groups = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
        means = np.repeat(inputs[node.input[0]].reshape(groups, -1), len(weights) // groups, axis=0)
        stored[node.input[1]].CopyFrom(numpy_helper.from_array(round_keeping_means(weights, means), node.input[1]))


def _channel_means(
    model: onnx.ModelProto, tensors: Iterable[str], films: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Mean [C] of each tensor [N, C, h, w] over films and places."""
    watched = copy.deepcopy(model)
    known = {output.name for output in watched.graph.output}
    names = list(tensors)
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    graph = Session(watched.SerializeToString())
    runs = [graph.run(film[np.newaxis], np.array([-1])) for film in films]
    return {name: np.mean([run[name].mean(axis=(0, 2, 3)) for run in runs], axis=0) for name in names}


class _Films(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    """Training films one by one."""

    def __init__(self, films: NDArray[np.float32]) -> None:
        self._films = iter(films)

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """The inputs of the graph for the next film; None at the end."""
        film = next(self._films, None)
        return None if film is None else {"image": film[np.newaxis], "target": np.array([-1])}
