"""A network of one convolution: as ONNX, and as the few lines of numpy that say what it must compute.

Filter 0 of the convolution is the mean of its patch, so that bright films are PNEUMONIA:
logit(PNEUMONIA) - logit(NORMAL) is about 20 * (mean - 0.5).

`findings_network` judges each finding by itself: the brighter a film, the more of `Effusion`, then `Cardiomegaly`; a
dark one has `Pneumothorax`. The guide takes dark cells for lungs, a film that is brighter above than below for one of
an adult, and one that is brighter on its left than on its right for a lateral view.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE = 32
GRID = 8
TEMPERATURE = 2.0
SLOPES = (0.5, 0.25, 0.5)
OFFSETS = (0.0, -7.0, 0.0)
"""Of the findings: their calibrated probabilities are 1 / 2 at means of 0.5, 0.7 and 0.3."""


@dataclass(frozen=True)
class TinyNetwork:
    """The weights of the graph, and numpy's idea of what it computes."""

    kernels: NDArray[np.float32]  # [F, 1, 4, 4]
    head: NDArray[np.float32]  # [K, F]
    bias: NDArray[np.float32]  # [K]

    def features(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """[F, h, w] of an image [1, S, S]."""
        patches = image[0].reshape(GRID, 4, GRID, 4).transpose(0, 2, 1, 3)  # [h, w, 4, 4]
        return np.maximum(np.einsum("hwij,fij->fhw", patches, self.kernels[:, 0]), 0)

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """[K]."""
        return self.head @ self.features(image).mean(axis=(1, 2)) + self.bias

    def gradcam(self, image: NDArray[np.float32], target: int) -> NDArray[np.float32]:
        """[h, w]: the closed form of Grad-CAM for pooling and a linear head, weights W[target] / (h * w)."""
        weights = self.head[target] / (GRID * GRID)
        return np.maximum(np.einsum("f,fhw->hw", weights, self.features(image)), 0)


def tiny_network(classes: int = 2) -> TinyNetwork:
    random = np.random.default_rng(0)
    kernels = random.normal(0, 0.05, (3, 1, 4, 4)).astype(np.float32)
    kernels[0] = 1 / 16
    head = random.normal(0, 0.1, (classes, 3)).astype(np.float32)
    head[0, 0] = -10
    head[1:, 0] = 10
    bias = np.full(classes, -5, np.float32)
    bias[0] = 5
    return TinyNetwork(kernels, head, bias)


def findings_network() -> TinyNetwork:
    """Logits 40 * (mean - 0.5), 80 * (mean - 0.35) and 40 * (0.3 - mean), whatever the other filters see."""
    head = np.random.default_rng(1).normal(0, 0.01, (3, 3)).astype(np.float32)
    head[:, 0] = (40, 80, -40)
    return TinyNetwork(tiny_network().kernels, head, np.array([-20, -28, 12], np.float32))


def findings_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """[..., 3], calibrated."""
    return (1 / (1 + np.exp(-(logits * np.array(SLOPES) + np.array(OFFSETS))))).astype(np.float32)


def lungs(network: TinyNetwork, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """[h, w] of an image [1, S, S]."""
    return 1 - np.minimum(network.features(image)[0], 1)


def traits(network: TinyNetwork, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """[4]: child, adult, frontal, lateral."""
    cells = network.features(image)[0]
    half = GRID // 2
    adult = np.clip(cells[:half].mean() - cells[half:].mean(), 0, 1)
    lateral = np.clip(cells[:, :half].mean() - cells[:, half:].mean(), 0, 1)
    return np.array([1 - adult, adult, 1 - lateral, lateral], np.float32)


def gradcam_plus_plus(network: TinyNetwork, image: NDArray[np.float32], target: int) -> NDArray[np.float32]:
    """[h, w]. Source: Chattopadhay et al., WACV 2018, arXiv:1710.11063."""
    features = network.features(image)
    gradient = network.head[target] / (GRID * GRID)
    alpha = gradient**2 / (2 * gradient**2 + gradient**3 * features.sum(axis=(1, 2)) + 1e-8)
    weights = GRID * GRID * alpha * np.maximum(gradient, 0)
    return np.maximum(np.einsum("f,fhw->hw", weights, features), 0).astype(np.float32)


def graph(network: TinyNetwork, *, maps: bool = True, alone: bool = False, guide: bool = False) -> onnx.ModelProto:
    """The network as ONNX, with the outputs of `schemas.model.manifest.GraphContract`.

    Args:
        network: its weights.
        maps: whether it has heat maps.
        alone: whether each class is a finding that is judged by itself.
        guide: whether it has one.
    """
    constants: dict[str, NDArray[Any]] = {
        "kernels": network.kernels,
        "head": network.head,
        "bias": network.bias,
        "temperature": np.array(TEMPERATURE, np.float32),
        "cells": np.array(GRID * GRID, np.float32),
        "zero": np.array(0, np.int64),
        "space": np.array([2, 3], np.int64),
        "channel": np.array([1], np.int64),
        "epsilon": np.array(1e-8, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernels"], ["convolved"], strides=[4, 4]),
        helper.make_node("Relu", ["convolved"], ["features"]),
        helper.make_node("ReduceMean", ["features", "space"], ["embedding"], keepdims=0),
        helper.make_node("Gemm", ["embedding", "head", "bias"], ["logits"], transB=1),
    ]
    if alone:
        constants |= {"slopes": np.array(SLOPES, np.float32), "offsets": np.array(OFFSETS, np.float32)}
        nodes += [
            helper.make_node("Mul", ["logits", "slopes"], ["steep"]),
            helper.make_node("Add", ["steep", "offsets"], ["scaled"]),
            helper.make_node("Sigmoid", ["scaled"], ["probabilities"]),
        ]
    else:
        nodes += [
            helper.make_node("Div", ["logits", "temperature"], ["scaled"]),
            helper.make_node("Softmax", ["scaled"], ["probabilities"], axis=1),
        ]
    outputs: dict[str, list[str | int]] = {
        "logits": ["N", len(network.bias)],
        "probabilities": ["N", len(network.bias)],
        "embedding": ["N", 3],
    }
    if maps:
        nodes += _map_nodes()
        outputs |= {"gradcam": ["N", GRID, GRID], "gradcam_plus_plus": ["N", GRID, GRID]}
    if guide:
        nodes += _guide_nodes()
        constants |= _guide_constants()
        outputs |= {"lungs": ["N", GRID, GRID], "traits": ["N", 4]}
    made = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE]),
            helper.make_tensor_value_info("target", TensorProto.INT64, ["N"]),
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape) for output, shape in outputs.items()],
        [numpy_helper.from_array(value, constant) for constant, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def _guide_constants() -> dict[str, NDArray[Any]]:
    """How far each cell speaks for an adult and for a lateral film."""
    first = np.where(np.arange(GRID) < GRID // 2, 1, -1) / (GRID * GRID // 2)
    above, left = np.broadcast_to(first[:, None], (GRID, GRID)), np.broadcast_to(first, (GRID, GRID))
    return {
        "filter": np.array(0, np.int64),
        "one": np.array(1, np.float32),
        "none": np.array(0, np.float32),
        "all_cells": np.array([0, GRID * GRID], np.int64),
        "speaking": np.stack([above.ravel(), left.ravel()], axis=1).astype(np.float32),
        "order": np.array([2, 0, 3, 1], np.int64),
    }


def _guide_nodes() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Gather", ["features", "filter"], ["brightness"], axis=1),
        helper.make_node("Min", ["brightness", "one"], ["bounded"]),
        helper.make_node("Sub", ["one", "bounded"], ["lungs"]),
        helper.make_node("Reshape", ["brightness", "all_cells"], ["flat_cells"]),
        helper.make_node("MatMul", ["flat_cells", "speaking"], ["spoken"]),
        helper.make_node("Clip", ["spoken", "none", "one"], ["foreign"]),
        helper.make_node("Sub", ["one", "foreign"], ["usual"]),
        helper.make_node("Concat", ["foreign", "usual"], ["unordered"], axis=1),
        helper.make_node("Gather", ["unordered", "order"], ["traits"], axis=1),
    ]


def _map_nodes() -> list[onnx.NodeProto]:
    """Grad-CAM: W[target] / (h w). Grad-CAM++: alpha = g^2 / (2 g^2 + g^3 sum A), weight = h w alpha relu(g)."""
    return [
        helper.make_node("ArgMax", ["logits"], ["probable"], axis=1, keepdims=0),
        helper.make_node("Less", ["target", "zero"], ["open"]),
        helper.make_node("Where", ["open", "probable", "target"], ["explained"]),
        helper.make_node("Gather", ["head", "explained"], ["row"]),
        helper.make_node("Div", ["row", "cells"], ["gradient"]),
        helper.make_node("Unsqueeze", ["gradient", "space"], ["weights"]),
        helper.make_node("Mul", ["features", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "channel"], ["summed"], keepdims=0),
        helper.make_node("Relu", ["summed"], ["gradcam"]),
        helper.make_node("ReduceSum", ["features", "space"], ["mass"], keepdims=0),
        helper.make_node("Mul", ["gradient", "gradient"], ["square"]),
        helper.make_node("Mul", ["square", "gradient"], ["cube"]),
        helper.make_node("Mul", ["cube", "mass"], ["last"]),
        helper.make_node("Add", ["square", "square"], ["twice"]),
        helper.make_node("Add", ["twice", "last"], ["sum"]),
        helper.make_node("Add", ["sum", "epsilon"], ["below"]),
        helper.make_node("Div", ["square", "below"], ["alpha"]),
        helper.make_node("Relu", ["gradient"], ["positive"]),
        helper.make_node("Mul", ["alpha", "positive"], ["share"]),
        helper.make_node("Mul", ["share", "cells"], ["plus"]),
        helper.make_node("Unsqueeze", ["plus", "space"], ["plus_weights"]),
        helper.make_node("Mul", ["features", "plus_weights"], ["plus_weighted"]),
        helper.make_node("ReduceSum", ["plus_weighted", "channel"], ["plus_summed"], keepdims=0),
        helper.make_node("Relu", ["plus_summed"], ["gradcam_plus_plus"]),
    ]
