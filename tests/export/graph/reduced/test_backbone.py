"""The backbone ends where everything that the image becomes goes through one tensor for the last time."""

import onnx
import pytest
from onnx import TensorProto, helper

from export.graph.graph import export_graph
from export.graph.reduced.backbone import after_convolutions, backbone
from tests.export.untrained import SIDE
from trainer.networks.build import build_network


def graph_of(*edges, outputs):
    """Nodes `Conv`, `Relu` … as (operation, inputs, output)."""
    nodes = [helper.make_node(operation, list(given), [made], made) for operation, given, made in edges]
    entries = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("image", "target")]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    return helper.make_graph(nodes, "test", entries, made)


def test_a_branch_that_joins_again_is_inside_and_the_head_is_outside() -> None:
    graph = graph_of(
        ("Conv", ("image", "w"), "a"),
        ("Shape", ("image",), "count"),
        ("Relu", ("a",), "b"),
        ("Add", ("a", "b"), "features"),
        ("ReduceMean", ("features",), "embedding"),
        ("Gemm", ("embedding", "v"), "logits"),
        ("Mul", ("features", "count"), "gradcam"),
        outputs=("logits", "embedding", "gradcam"),
    )

    assert [node.name for node in backbone(graph)] == ["a", "b", "features"]


def test_what_the_target_becomes_is_outside_wherever_it_stands() -> None:
    graph = graph_of(
        ("Cast", ("target",), "row"),
        ("Conv", ("image", "w"), "features"),
        ("Mul", ("features", "row"), "gradcam"),
        outputs=("features", "gradcam"),
    )

    assert [node.name for node in backbone(graph)] == ["features"]


def test_behind_a_guide_it_begins_with_what_the_network_sees() -> None:
    graph = graph_of(
        ("Conv", ("image", "w"), "deep"),
        ("Relu", ("deep",), "lungs"),
        ("Mul", ("image", "lungs"), "seen"),
        ("Conv", ("seen", "v"), "shallow"),
        ("Conv", ("shallow", "u"), "features"),
        ("ReduceMean", ("features",), "logits"),
        ("Mul", ("features", "lungs"), "gradcam"),
        outputs=("logits", "gradcam", "lungs"),
    )

    assert [node.name for node in backbone(graph)] == ["shallow", "features"]


@pytest.mark.parametrize(("name", "convolutions", "last"), [("cnn_baseline", 2, "Relu"), ("cnn_attention", 4, "Relu")])
def test_the_backbone_of_a_network_ends_with_its_feature_map(name, convolutions, last) -> None:
    network = build_network(name, classes=2, size=SIDE).eval()
    nodes = backbone(export_graph(network, size=SIDE, temperature=1.0).graph)

    assert [node.op_type for node in nodes].count("Conv") == convolutions
    assert nodes[-1].op_type == last


def test_nodes_before_a_convolution_are_left_out_and_those_behind_it_are_kept() -> None:
    graph = graph_of(
        ("Sub", ("image", "mean"), "centered"),
        ("Conv", ("centered", "w"), "first"),
        ("Relu", ("first",), "bent"),
        ("Conv", ("bent", "v"), "second"),
        ("Relu", ("second",), "features"),
        outputs=("features",),
    )

    def names(skipped):
        return [node.name for node in after_convolutions(graph.node, skipped)]

    assert names(0) == ["first", "bent", "second", "features"]
    assert names(1) == ["second", "features"]
    assert names(2) == []


def test_a_graph_is_read_and_not_changed() -> None:
    network = build_network("cnn_baseline", classes=2, size=SIDE).eval()
    model = export_graph(network, size=SIDE, temperature=1.0)
    before = onnx.ModelProto.FromString(model.SerializeToString())

    backbone(model.graph)

    assert model == before
