"""Whatever an owner's graph takes and gives, it answers as its owner's program does, or the refusal says why."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bundle.session import MOST_PROBABLE, Session, run_in_batches
from export.adopt.ways import stated_way
from export.description import NetworkDescription
from export.graph.pixel_values import CONVENTIONS, PixelValues
from export.graph.reading import read_graph, read_model
from schemas.errors import BundleError
from tests.export.linear import SIDE, Ridge, graph
from tests.export.untrained import phantoms


@pytest.fixture(scope="module")
def ridge() -> Ridge:
    return Ridge(np.random.default_rng(3).normal(0, 1, 64), 0.5)


@pytest.fixture
def read(ridge):
    """Wire a graph by what its owner states: the reading, and how far its logit of PNEUMONIA is from the ridge's."""

    def run(model=None, *, stated=None, **dress):
        description = NetworkDescription.model_validate({"classes": "NORMAL,PNEUMONIA", **(stated or {})})
        foreign = read_graph(model or graph(ridge, **dress), description)
        way = stated_way(foreign, description)
        wired = foreign.wire(way.values, size=way.spec.size, temperature=1.0, metadata={})
        films = phantoms(5, SIDE)
        logits = run_in_batches(Session(wired.SerializeToString()).run, films, np.full(5, MOST_PROBABLE), 2)["logits"]
        finding = description.classes.index("PNEUMONIA")
        return foreign, np.abs(logits[:, finding] - logits[:, 1 - finding] - ridge.logits(films)).max()

    return run


@pytest.mark.parametrize(
    "dress",
    [
        {"layout": "nhwc", "channels": 3},
        {"layout": "nhwc", "channels": 1},
        {"layout": "nhw"},
        {"batch": 1},
        {"side": "side"},
        {"side": "side", "channels": 3},
        {"layout": "nhwc", "kind": TensorProto.DOUBLE, "batch": 1, "head": "softmax"},
        {"kind": TensorProto.DOUBLE},
        {"opset": 11},
        {"head": "single"},
        {"head": "sigmoid"},
        {"head": "softmax"},
        {"head": "log_softmax"},
        {"head": "pair"},
        {"head": "logits features"},
        {"head": "features softmax logits"},
    ],
    ids=str,
)
def test_a_graph_in_another_dress_answers_as_its_owner_s(read, dress) -> None:
    _, difference = read(stated={"size": SIDE}, **dress)

    assert difference < 2e-4


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.UINT8])
def test_pixels_of_few_bits_cost_no_more_than_their_rounding(read, kind) -> None:
    values = PixelValues(white=255.0) if kind == TensorProto.UINT8 else PixelValues()

    _, difference = read(kind=kind, values=values)

    assert difference < 2e-2


@pytest.mark.parametrize(
    "values", [*CONVENTIONS, PixelValues("monochrome1", white=255.0)], ids=lambda one: one.in_words
)
def test_every_convention_of_pixel_values_may_be_stated(read, values) -> None:
    channels = max(len(values.mean), len(values.std))
    stated = {
        "polarity": values.polarity,
        "value_range": f"{values.black:g}..{values.white:g}",
        "mean": np.broadcast_to(values.mean, channels).tolist(),
        "std": np.broadcast_to(values.std, channels).tolist(),
    }

    _, difference = read(values=values, channels=channels, stated=stated)

    assert difference < 2e-3


def test_what_was_read_off_the_graph_is_said(read) -> None:
    foreign, _ = read(head="sigmoid")

    assert foreign.output.notes == (
        "the sigmoid is undone: single, before it, is taken as logits",
        "its one value is taken for PNEUMONIA, the second of the classes",
    )


def test_two_sigmoids_are_read_and_the_difference_is_said(read) -> None:
    foreign, difference = read(head="sigmoid2")

    assert "a sigmoid for each of 2 classes lets several be present" in " ".join(foreign.output.notes)
    assert difference < 2e-4


def test_one_finding_of_a_network_of_many_is_read_by_its_column(read) -> None:
    _, difference = read(head="many", stated={"columns": "64"})

    assert difference < 2e-4


def test_probabilities_of_an_unknown_activation_are_undone_as_stated(read) -> None:
    _, difference = read(head="by_hand", stated={"activation": "sigmoid"})

    assert difference < 1e-3


def test_outputs_in_the_other_order_are_named_in_that_order(read) -> None:
    _, difference = read(head="reversed_pair", stated={"classes": "PNEUMONIA,NORMAL"})

    assert difference < 2e-4


def test_a_shape_that_is_not_stated_is_found_by_running_the_graph(read, ridge) -> None:
    model = graph(ridge, layout="nhwc", channels=3)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["a", "b", "c", "d"]))

    foreign, difference = read(model)

    assert (foreign.image.layout, foreign.image.channels, foreign.image.side) == ("nhwc", 3, SIDE)
    assert difference < 2e-4


@pytest.mark.parametrize(
    ("dress", "stated", "message"),
    [
        ({"head": "one_softmax"}, {}, "a Softmax over the one value of single, which is always 1"),
        ({"head": "sigmoid"}, {"activation": "softmax"}, "the graph has a Sigmoid behind single"),
        ({"head": "logits"}, {"activation": "sigmoid"}, "which no sigmoid gives; say --activation none"),
        ({"head": "sigmoid2_by_hand"}, {"activation": "softmax"}, "does not sum to 1 as a softmax does"),
        ({"head": "by_hand"}, {}, "say --activation sigmoid if these are probabilities, none if they are logits"),
        ({"head": "features"}, {}, "the graph gives 64 values a film (features) for 2 classes"),
        ({"head": "many"}, {}, "(many) for 2 classes; name the right --logits or --classes, or by --columns"),
        ({"head": "many"}, {"columns": "65"}, "for 2 classes and --columns 65; name the right"),
        ({"head": "pair single"}, {}, "both, single each have a value for each of 2 classes; name the right one"),
        ({"channels": 3}, {"mean": "0.5", "std": "0.5"}, "--mean has 1 values and the graph's input 3 channels"),
        ({}, {"size": 96}, "must have one input float32 [N, C, 96, 96], and has pixels [0, 1, 64, 64]; correct --size"),
        ({"side": "side"}, {"size": 96}, "the graph does not run on [N, 1, 96, 96]"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_with_the_right_advice(read, dress, stated, message) -> None:
    with pytest.raises(BundleError) as refused:
        read(stated=stated, **dress)

    assert message in str(refused.value)


def shaped(ridge, shape, kind=TensorProto.FLOAT):
    model = graph(ridge)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", kind, shape))
    return model


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        (["N", 1, 64, 48], TensorProto.FLOAT, "a bundle prepares square films: export it again with equal sides"),
        (["N", 4096], TensorProto.FLOAT, "it takes films that are flat: export it again with the reshape inside"),
        (["N", 1, 64, 64], TensorProto.STRING, "the input pixels is string; export the graph with pixels as numbers"),
        (["N", 1, 4096, 4096], TensorProto.FLOAT, "the graph must have one input float32 [N, C, S, S]"),
    ],
)
def test_an_input_that_takes_no_square_films_is_refused(read, ridge, shape, kind, message) -> None:
    with pytest.raises(BundleError) as refused:
        read(shaped(ridge, shape, kind))

    assert message in str(refused.value)


def test_a_second_input_is_refused_by_name(read, ridge) -> None:
    model = graph(ridge)
    model.graph.input.append(helper.make_tensor_value_info("training", TensorProto.BOOL, []))

    with pytest.raises(BundleError, match="one input, the film, and has pixels, training; export it again"):
        read(model)


def test_a_graph_of_a_side_that_is_not_known_needs_it_stated() -> None:
    shape: list[str | int | None] = ["N", 1, "side", "side"]
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["score"]),
    ]
    made = helper.make_graph(
        nodes,
        "any side",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", 1])],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    description = NetworkDescription(classes=("A", "B"), activation="none")

    with pytest.raises(BundleError, match="the graph takes films of any side; give --size"):
        stated_way(read_graph(model, description), description)


def test_operators_that_are_too_old_are_refused(ridge, tmp_path) -> None:
    onnx.save(graph(ridge, opset=8), tmp_path / "old.onnx")

    with pytest.raises(BundleError, match=r"old\.onnx has opset 8, and at least 9 is needed"):
        read_model(tmp_path / "old.onnx")
