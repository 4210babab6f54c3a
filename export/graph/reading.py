"""How a graph that was trained elsewhere is fed and read, found by its shapes, by its nodes, and by running it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from bundle.session import MOST_PROBABLE, Session, first_line, run_in_batches
from export.description import NetworkDescription
from export.graph.assembly import PREFIX, Frame, arrays, assembled
from export.graph.foreign import ForeignGraph
from export.graph.image_input import USUAL_SIDES, ImageInput, fixed_batch, possible_inputs
from export.graph.score_output import ScoreTensor, Values, read_output, score_tensors
from imaging.phantom import phantom
from schemas.errors import BundleError, InferenceError

_OLDEST_OPSET = 9
"""Earlier operators do not broadcast as the nodes that are added do."""
_PROBE_SCALES = (1.0, 255.0, -255.0, 1e6)
"""Of films in [0, 1]: logits leave 0..1 somewhere, probabilities nowhere."""
_TOGETHER = 3
"""Films in one batch, to see whether a graph takes several."""


def read_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, with weights that lie next to it, and check that it is a sound graph.

    Raises:
        BundleError: it is not.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, the checker and the file system have no error in common
        msg = f"{path.name} cannot be read as an ONNX graph: {first_line(error)}; export it again"
        raise BundleError(msg) from error
    opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
    if opset < _OLDEST_OPSET:
        msg = f"{path.name} has opset {opset}, and at least {_OLDEST_OPSET} is needed; export it again with 13 or more"
        raise BundleError(msg)
    return model


def read_graph(model: onnx.ModelProto, description: NetworkDescription) -> ForeignGraph:
    """Find out how a graph is fed and read: by its declared shapes and its nodes, and by running it on phantoms.

    Args:
        model: as its owner exported it.
        description: what the owner states.

    Raises:
        BundleError: its input is not a film, or its output not the classes, or either can be read in several ways.
    """
    tensors = score_tensors(model, description.logits)
    image, values = _tried(model, possible_inputs(model, description.size, description.layout), tensors, description)
    return ForeignGraph(model, image, read_output(tensors, values, description), len(description.classes))


def _tried(
    model: onnx.ModelProto,
    inputs: Sequence[ImageInput],
    tensors: Sequence[ScoreTensor],
    description: NetworkDescription,
) -> tuple[ImageInput, Values]:
    """The way to feed the graph with which it runs, and the values of its tensors for some films."""
    ran = list[tuple[ImageInput, Values]]()
    reasons = list[str]()
    for image in inputs:
        side = image.side or description.size
        any_number, fixed = image, replace(image, at_once=fixed_batch(model))
        for fed, tried in product((any_number, fixed), USUAL_SIDES if side is None else (side,)):
            try:
                values = _probe(model, fed, tensors, tried)
            except (BundleError, InferenceError, ValueError) as error:  # ValueError: outputs that are not numbers
                reasons.append(f"{_in_words(fed, tried)}: {first_line(error)}")
                continue
            # A graph without a stated side that does not run on the most usual one has a side of its own.
            ran.append((fed if tried == (side or USUAL_SIDES[0]) else replace(fed, side=tried), values))
            break
    if not ran:
        msg = (
            f"the graph does not run on {reasons[0]}; correct --size or --layout, or export it again with a dynamic "
            "first axis"
        )
        raise BundleError(msg)
    return _only(ran, description)


def _only(ran: Sequence[tuple[ImageInput, Values]], description: NetworkDescription) -> tuple[ImageInput, Values]:
    """The one way, or the last where all give the same: a gray film is the same in one channel and in three."""
    stated = len(description.mean) if "mean" in description.model_fields_set else None
    fitting = [one for one in ran if one[0].channels == stated] or ran
    image, values = fitting[-1]
    if len({one.layout for one, _ in fitting}) == 1 and all(_same(values, others) for _, others in fitting):
        return image, values
    ways = " and on ".join(_in_words(one, one.side or description.size or USUAL_SIDES[0]) for one, _ in fitting)
    msg = (
        f"the graph does not state the shape of its input and runs on {ways}; state --layout, and --mean and --std "
        "with a value for each channel"
    )
    raise BundleError(msg)


def _same(values: Values, others: Values) -> bool:
    return all(np.allclose(values[name], others[name], rtol=1e-4, atol=1e-4, equal_nan=True) for name in values)


def _in_words(image: ImageInput, side: int) -> str:
    films = image.at_once or "N"
    shapes = {"nchw": (image.channels, side, side), "nhwc": (side, side, image.channels), "nhw": (side, side)}
    return f"[{', '.join(map(str, (films, *shapes[image.layout])))}]"


def _probe(model: onnx.ModelProto, image: ImageInput, tensors: Sequence[ScoreTensor], side: int) -> Values:
    """The values of tensors for some films, without tensors that do not have one row for each film.

    Raises:
        ValueError: no tensor has.
    """
    names = [each.tensor for each in tensors]
    reading = [
        node
        for number, name in enumerate(names)
        for node in (
            helper.make_node("Cast", [PREFIX + name], [f"cast{number}"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", [f"cast{number}"], [f"values{number}"], axis=1),
        )
    ]
    raw = assembled(
        model,
        image,
        Frame(image.nodes("image", PREFIX + image.name), reading, arrays(image.constants())),
        [("image", ["N", image.channels, side, side])],
        [(f"values{number}", ["N", None]) for number in range(len(names))],
    )
    films = np.repeat(_probe_films(side), image.channels, axis=1)
    run = Session(raw.SerializeToString()).run
    targets = np.full(len(films), MOST_PROBABLE)
    outputs, together = (run_in_batches(run, films, targets, batch) for batch in (1, _TOGETHER))
    values = {name: outputs[f"values{number}"] for number, name in enumerate(names)}
    rows = {
        name: each
        for number, (name, each) in enumerate(values.items())
        if len(films) == len(each) == len(together[f"values{number}"])
    }
    if values and not rows:
        msg = "it gives other than one row for each film"
        raise ValueError(msg)
    return rows


def _probe_films(side: int) -> NDArray[np.float32]:
    """[P, 1, S, S], in the ranges that networks take."""
    films = np.stack([phantom(side, side, seed=seed, opacity=seed / 4)[np.newaxis] for seed in range(4)]) / 255
    return np.concatenate([scale * films for scale in _PROBE_SCALES]).astype(np.float32)
