"""A network without training loops: ridge regression on 8 x 8 pixels as an ONNX graph, in any dress that owners give
theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import RidgeCV

from export.graph.pixel_values import PixelValues
from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.preprocess import PreprocessSpec

SIDE = 64
GRID = 8
STEEPNESS = 8.0


@dataclass(frozen=True)
class Ridge:
    """The logit of PNEUMONIA is a linear function of 8 x 8 mean gray levels."""

    weights: NDArray[np.float64]  # [64]
    constant: float

    def logits(self, films: NDArray[np.float32]) -> NDArray[np.float64]:
        """[N], of films [N, 1, S, S] in [0, 1]."""
        pooled = np.stack([cv2.resize(film[0], (GRID, GRID), interpolation=cv2.INTER_AREA) for film in films])
        return pooled.reshape(len(films), -1) @ self.weights + self.constant

    def probabilities(self, paths: Sequence[Path], spec: PreprocessSpec | None = None) -> NDArray[np.float64]:
        """[N], of PNEUMONIA, of films in files."""
        chosen = spec or PreprocessSpec(size=SIDE)
        films = np.stack([prepare(decode(path.read_bytes()), chosen) for path in paths])
        return 1 / (1 + np.exp(-self.logits(films)))


def fit(folder: Path) -> Ridge:
    """Fit to `<class>/*.jpeg` below a folder."""
    paths = sorted(folder.rglob("*.jpeg"))
    films = np.stack([prepare(decode(path.read_bytes()), PreprocessSpec(size=SIDE)) for path in paths])
    pooled = np.stack([cv2.resize(film[0], (GRID, GRID), interpolation=cv2.INTER_AREA).ravel() for film in films])
    truth = np.array([1.0 if path.parent.name == "PNEUMONIA" else -1.0 for path in paths])
    model = RidgeCV(alphas=(0.01, 0.1, 1.0)).fit(pooled, truth)
    return Ridge(model.coef_ * STEEPNESS / 2, float(model.intercept_) * STEEPNESS / 2)


def graph(
    ridge: Ridge,
    *,
    values: PixelValues = PixelValues(),  # noqa: B008 frozen
    channels: int = 1,
    layout: str = "nchw",
    kind: int = TensorProto.FLOAT,
    batch: int | str = "batch",
    side: int | str = SIDE,
    head: str = "logits",
    opset: int = 17,
) -> onnx.ModelProto:
    """The network as its owner exports it.

    Args:
        ridge: what it computes.
        values: of its pixels.
        channels: C.
        layout: nchw, nhwc or nhw.
        kind: type of the pixels.
        batch: first axis, by a name or fixed.
        side: S, or a name.
        head: see `_HEADS`; parts after the first, separated by blanks, are further outputs.
        opset: of the operators.
    """
    scale, offset = values.scale_and_offset(channels)
    shape: list[int | str] = {
        "nchw": [batch, channels, side, side],
        "nhwc": [batch, side, side, channels],
        "nhw": [batch, side, side],
    }[layout]
    weight = np.zeros((GRID * GRID, 2))
    weight[:, 1] = ridge.weights
    constants = {
        "scale": scale,
        "offset": offset,
        "weight": weight.astype(np.float32),
        "bias": np.array([0, ridge.constant], np.float32),
        "gray": np.full((1, channels, 1, 1), 1 / channels, np.float32),
        "flat": np.array([-1, GRID * GRID]),
        "rank4": np.array([-1, 1, SIDE, SIDE]),
        "one": np.array(1, np.float32),
        "second": np.array([1]),
        "first": np.array([0]),
    }
    nodes = [helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT)]
    value = "floats"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [value], ["channels_first"], perm=[0, 3, 1, 2]))
        value = "channels_first"
    if layout == "nhw":
        nodes.append(helper.make_node("Reshape", [value, "rank4"], ["channels_first"]))
        value = "channels_first"
    nodes += [
        helper.make_node("Sub", [value, "offset"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["films"]),
        helper.make_node("Conv", ["films", "gray"], ["mean"]),
        helper.make_node(
            "AveragePool", ["mean"], ["pooled"], kernel_shape=[SIDE // GRID] * 2, strides=[SIDE // GRID] * 2
        ),
        helper.make_node("Reshape", ["pooled", "flat"], ["features"]),
        helper.make_node("Gemm", ["features", "weight", "bias"], ["logits"]),
        helper.make_node("Gather", ["logits", "second"], ["single"], axis=1),
    ]
    outputs = []
    for name in head.split():
        made, output, size = _HEADS[name]
        nodes += [node for node in made if node.output[0] not in {each.output[0] for each in nodes}]
        outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, *size]))
    built = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pixels", kind, shape)],
        outputs,
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(built, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


_SINGLE_SHARES = [
    helper.make_node("Sigmoid", ["single"], ["share"]),
    helper.make_node("Sub", ["one", "share"], ["other"]),
]
_HEADS = {
    "logits": ([], "logits", [2]),
    "features": ([], "features", [GRID * GRID]),
    "single": ([], "single", [1]),
    "sigmoid": ([helper.make_node("Sigmoid", ["single"], ["share"])], "share", [1]),
    "sigmoid2": ([helper.make_node("Sigmoid", ["logits"], ["shares2"])], "shares2", [2]),
    "softmax": ([helper.make_node("Softmax", ["logits"], ["shares"], axis=1)], "shares", [2]),
    "log_softmax": ([helper.make_node("LogSoftmax", ["logits"], ["log_shares"], axis=1)], "log_shares", [2]),
    "pair": ([*_SINGLE_SHARES, helper.make_node("Concat", ["other", "share"], ["both"], axis=1)], "both", [2]),
    "reversed_pair": (
        [*_SINGLE_SHARES, helper.make_node("Concat", ["share", "other"], ["turned"], axis=1)],
        "turned",
        [2],
    ),
    "by_hand": (
        [
            helper.make_node("Exp", ["logits"], ["powers"]),
            helper.make_node("Gather", ["powers", "first"], ["power0"], axis=1),
            helper.make_node("Gather", ["powers", "second"], ["power1"], axis=1),
            helper.make_node("Add", ["power0", "power1"], ["sum"]),
            helper.make_node("Div", ["power1", "sum"], ["hand"]),
        ],
        "hand",
        [1],
    ),
    "sigmoid2_by_hand": (
        [
            helper.make_node("Neg", ["logits"], ["negative"]),
            helper.make_node("Exp", ["negative"], ["powers2"]),
            helper.make_node("Add", ["one", "powers2"], ["sums2"]),
            helper.make_node("Div", ["one", "sums2"], ["hands"]),
        ],
        "hands",
        [2],
    ),
    "one_softmax": ([helper.make_node("Softmax", ["single"], ["ones"], axis=1)], "ones", [1]),
    "many": ([helper.make_node("Concat", ["features", "single"], ["many"], axis=1)], "many", [GRID * GRID + 1]),
}
"""Nodes behind `logits` [N, 2] and `single` [N, 1], the output, and its shape behind the first axis."""
