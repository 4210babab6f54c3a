"""The output of a graph that was trained elsewhere: logits, or what a sigmoid or softmax has made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from export.description import NetworkDescription
from export.graph.image_input import FLOATS
from schemas.errors import BundleError

Activation = Literal["none", "sigmoid", "softmax"]
Values = Mapping[str, NDArray[np.float32]]
"""What the graph gives for N films, [N, M] by the name of a tensor."""

SUMS_TO_ONE = 2e-3
"""Largest distance of a sum of probabilities from 1; float16 rounds each by up to 2.4e-4."""
SMALLEST = 1e-7
"""Probabilities are kept this far from 0 and 1 where logits are computed from them."""
_ACTIVATIONS: Mapping[str, Activation] = {"Sigmoid": "sigmoid", "Softmax": "softmax"}
_SHAPING = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
_BINARY = 2


@dataclass(frozen=True, slots=True)
class ScoreTensor:
    """A tensor of scores, and the activation between it and the logits."""

    tensor: str
    activation: Activation | None
    """None: nothing in the graph states it."""
    inside: bool = False
    """Whether the activation stands in the graph behind the tensor, so that the tensor holds logits."""


@dataclass(frozen=True, slots=True)
class ScoreOutput:
    """How the graph's values become logits [N, K]."""

    tensor: str
    inverse: Activation
    """The activation that has to be undone."""
    columns: tuple[int, ...] | None
    """Which are taken; None: all."""
    single: bool
    """One value, of the second of two classes."""
    notes: tuple[str, ...] = ()
    """What was read off the graph, in words."""

    def nodes(self, scores: str, logits: str) -> list[onnx.NodeProto]:
        """Nodes that turn the graph's tensor into float32 [N, K]."""
        nodes = [
            helper.make_node("Cast", [scores], ["scores"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["scores"], ["rows"], axis=1),
        ]
        value = "rows"
        if self.columns is not None:
            nodes.append(helper.make_node("Gather", [value, "columns"], ["chosen"], axis=1))
            value = "chosen"
        if self.inverse != "none":
            nodes += [
                helper.make_node("Max", [value, "smallest"], ["above"]),
                helper.make_node("Min", ["above", "greatest"], ["shares"]),
                helper.make_node("Log", ["shares"], ["log_shares"]),
            ]
            value = "log_shares"
        if self.inverse == "sigmoid":
            nodes += [
                helper.make_node("Sub", ["one", "shares"], ["others"]),
                helper.make_node("Log", ["others"], ["log_others"]),
                helper.make_node("Sub", ["log_shares", "log_others"], ["log_odds"]),
            ]
            value = "log_odds"
        if self.single:
            nodes += [
                helper.make_node("Sub", [value, value], ["nought"]),
                helper.make_node("Concat", ["nought", value], ["pair"], axis=1),
            ]
            value = "pair"
        return [*nodes, helper.make_node("Identity", [value], [logits])]

    def constants(self) -> dict[str, tuple[int, float | Sequence[int]]]:
        """Constants that the nodes use: type and value."""
        numbers = {"smallest": SMALLEST, "greatest": 1 - SMALLEST, "one": 1.0} if self.inverse != "none" else {}
        columns = {} if self.columns is None else {"columns": (int(TensorProto.INT64), self.columns)}
        return {**{name: (int(TensorProto.FLOAT), value) for name, value in numbers.items()}, **columns}


def score_tensors(model: onnx.ModelProto, named: str | None) -> tuple[ScoreTensor, ...]:
    """The tensors that may hold the scores: the named one, or every output, each before its activation if it has one.

    Raises:
        BundleError: the graph has no tensor of this name.
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    outputs = [entry.name for entry in model.graph.output if entry.type.tensor_type.elem_type in FLOATS]
    if named is not None and named not in producers:
        names = ", ".join(entry.name for entry in model.graph.output)
        msg = f"name the logits among the graph's tensors by --logits; its outputs are {names}"
        raise BundleError(msg)
    found = [_before_activation(name, producers) for name in ([named] if named is not None else outputs)]
    return tuple(dict.fromkeys(found))


def read_output(tensors: Sequence[ScoreTensor], values: Values, description: NetworkDescription) -> ScoreOutput:
    """Decide which tensor holds the scores and how it becomes logits.

    Args:
        tensors: candidates.
        values: of each, for some films.
        description: classes, and what the owner states of the output.

    Raises:
        BundleError: none fits the classes, several do, or the activation cannot be known.
    """
    fitting = [each for each in tensors if each.tensor in values and _fits(values[each.tensor], description)]
    logits = [each for each in fitting if each.inside or each.activation == "none"]
    fitting = logits if len(logits) == 1 < len(fitting) else fitting
    if len(fitting) != 1:
        raise _undecided(tensors, fitting, values, description)
    (chosen,) = fitting
    scores = values[chosen.tensor]
    scores = scores[np.isfinite(scores).all(axis=1)]  # float16 overflows beyond the range that the network takes
    if not len(scores):
        msg = f"{chosen.tensor} is not finite for any film that was tried; export the graph again"
        raise BundleError(msg)
    columns = description.columns
    taken = scores if columns is None else scores[:, columns]
    inverse, notes = _inverse(chosen, taken, description)
    single = taken.shape[1] == 1
    if single:
        notes = (*notes, f"its one value is taken for {description.classes[1]}, the second of the classes")
    return ScoreOutput(chosen.tensor, inverse, columns, single, notes)


def _before_activation(name: str, producers: Mapping[str, onnx.NodeProto]) -> ScoreTensor:
    tensor = name
    while (node := producers.get(tensor)) is not None and node.op_type in _SHAPING:
        tensor = node.input[0]
    if node is None:
        return ScoreTensor(name, None)
    if node.op_type == "LogSoftmax":
        return ScoreTensor(name, "none")
    activation = _ACTIVATIONS.get(node.op_type)
    if activation is None:
        return ScoreTensor(name, None)
    return ScoreTensor(node.input[0], activation, inside=True)


def _fits(values: NDArray[np.float32], description: NetworkDescription) -> bool:
    count = values.shape[1]
    if description.columns is not None:
        chosen = len(description.columns)
        return max(description.columns) < count and chosen in _accepted(description)
    return count in _accepted(description)


def _accepted(description: NetworkDescription) -> set[int]:
    classes = len(description.classes)
    return {classes, 1} if classes == _BINARY else {classes}


def _inverse(
    chosen: ScoreTensor, scores: NDArray[np.float32], description: NetworkDescription
) -> tuple[Activation, tuple[str, ...]]:
    """The activation to undo, and what to say about it."""
    stated = description.activation
    if chosen.inside:
        return _inside(chosen, scores, stated)
    if chosen.activation == "none":
        return "none", (f"{chosen.tensor} is taken as logits",)
    if stated is not None:
        _require_possible(chosen.tensor, scores, stated)
        return stated, _several_findings(stated, scores) if stated == "sigmoid" else ()
    within = bool(((scores >= 0) & (scores <= 1)).all())
    if within and scores.shape[1] > 1 and np.abs(scores.sum(axis=1) - 1).max() <= SUMS_TO_ONE:
        return "softmax", (f"{chosen.tensor} lies in 0..1 and sums to 1: taken as probabilities",)
    if within:
        msg = (
            f"{chosen.tensor} lies in 0..1 for every film that was tried, and the graph does not state what has made "
            "it; say --activation sigmoid if these are probabilities, none if they are logits"
        )
        raise BundleError(msg)
    return "none", (f"{chosen.tensor} is taken as logits",)


def _inside(
    chosen: ScoreTensor, scores: NDArray[np.float32], stated: Activation | None
) -> tuple[Activation, tuple[str, ...]]:
    activation = chosen.activation
    if stated not in {None, activation}:
        msg = (
            f"the graph has a {str(activation).capitalize()} behind {chosen.tensor}, and --activation states {stated}; "
            f"leave it out, or name another tensor by --logits"
        )
        raise BundleError(msg)
    if activation == "softmax" and scores.shape[1] == 1:
        msg = (
            f"the graph has a Softmax over the one value of {chosen.tensor}, which is always 1: nothing was trained; "
            "train it with a sigmoid, or with a value for each class"
        )
        raise BundleError(msg)
    note = f"the {activation} is undone: {chosen.tensor}, before it, is taken as logits"
    return "none", (note, *(_several_findings(activation, scores) if activation == "sigmoid" else ()))


def _several_findings(activation: str, scores: NDArray[np.float32]) -> tuple[str, ...]:
    if scores.shape[1] == 1:
        return ()
    note = (
        f"a {activation} for each of {scores.shape[1]} classes lets several be present; in a bundle one excludes the "
        "others, and their probabilities are weighed against each other"
    )
    return (note,)


def _require_possible(tensor: str, scores: NDArray[np.float32], stated: Activation) -> None:
    if stated != "none" and not ((scores >= 0) & (scores <= 1)).all():
        msg = (
            f"{tensor} lies between {scores.min():.3g} and {scores.max():.3g}, which no {stated} gives; say "
            "--activation none, or name another tensor by --logits"
        )
        raise BundleError(msg)
    if stated == "softmax" and np.abs(scores.sum(axis=1) - 1).max() > SUMS_TO_ONE:
        msg = f"{tensor} does not sum to 1 as a softmax does; say --activation sigmoid if each value is a probability"
        raise BundleError(msg)


def _undecided(
    tensors: Sequence[ScoreTensor], fitting: Sequence[ScoreTensor], values: Values, description: NetworkDescription
) -> BundleError:
    sizes = {each.tensor: values[each.tensor].shape[1] for each in tensors if each.tensor in values}
    classes = len(description.classes)
    if fitting:
        names = ", ".join(each.tensor for each in fitting)
        return BundleError(f"{names} each have a value for each of {classes} classes; name the right one by --logits")
    if not sizes:
        return BundleError("the graph has no output of numbers; name the logits among its tensors by --logits")
    listed = ", ".join(f"{count} values a film ({name})" for name, count in sizes.items())
    chosen = "" if description.columns is None else f" and --columns {','.join(map(str, description.columns))}"
    return BundleError(
        f"the graph gives {listed} for {classes} classes{chosen}; name the right --logits or --classes, or by "
        "--columns those of its values that are the classes (for two classes also the one of the second)"
    )
