"""A graph that takes a fixed number of films answers any number, each as it answers it alone."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from bundle.session import Session
from export.description import NetworkDescription
from export.gates.batches import check_batches
from export.graph.pixel_values import PixelValues
from export.graph.reading import read_graph
from tests.export.linear import GRID, SIDE, Ridge, graph

RIDGE = Ridge(np.random.default_rng(0).normal(size=GRID * GRID), 0.3)
FILMS = np.random.default_rng(1).random((7, 1, SIDE, SIDE), np.float32)


def of_films(count: int, **dress) -> onnx.ModelProto:
    """The network as its owner exports it for this number of films, and no other."""
    model = graph(RIDGE, batch=count, **dress)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([count, GRID * GRID]), "fixed"))
    next(node for node in model.graph.node if node.output[0] == "features").input[1] = "fixed"
    return model


def wired(model: onnx.ModelProto, **stated):
    foreign = read_graph(model, NetworkDescription.model_validate({"classes": "NORMAL,PNEUMONIA", **stated}))
    return foreign, foreign.wire(PixelValues(), size=SIDE, temperature=1.0, metadata={})


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(
    "dress",
    [
        {"channels": 3},
        {"layout": "nhwc", "channels": 3, "kind": TensorProto.FLOAT16},
        {"layout": "nhw", "opset": 9},
        {"head": "softmax", "kind": TensorProto.DOUBLE},
    ],
    ids=str,
)
def test_any_number_of_films_is_answered_as_each_film_alone(count, dress) -> None:
    foreign, model = wired(of_films(count, **dress))
    onnx.checker.check_model(model)
    run = Session(model.SerializeToString()).run

    logits = {number: run(FILMS[:number], np.full(number, -1))["logits"] for number in range(1, 8)}

    check_batches(run, FILMS, 2)
    assert foreign.image.at_once == count
    for number, found in logits.items():
        expected = RIDGE.logits(FILMS[:number])
        np.testing.assert_allclose(found[:, 1] - found[:, 0], expected, atol=2e-2 * np.abs(expected).max())


def test_a_declared_number_that_the_graph_does_not_need_costs_nothing() -> None:
    foreign, model = wired(graph(RIDGE, batch=4))

    assert foreign.image.at_once is None
    assert "Scan" not in {node.op_type for node in model.graph.node}


def test_what_it_costs_is_stated() -> None:
    (_, one), (_, four) = (wired(of_films(count))[0].image.notes for count in (1, 4))

    assert one == (
        "the graph takes one film at once and no other number: a batch is run in parts; exported with a dynamic first "
        "axis it would be faster"
    )
    assert "4 films at once and no other number: a batch is run in parts, the last of them filled with black" in four
