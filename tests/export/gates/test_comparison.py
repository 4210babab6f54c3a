"""What the yardstick measures of a reduced graph."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.gates.answers import ValidationSet
from export.gates.comparison import Yardstick
from schemas.errors import BundleError


@pytest.fixture(scope="module")
def content(bundle):
    return (bundle / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def yardstick(content, trial):
    return Yardstick(
        content, trial.record, ValidationSet(trial.films, trial.labels, trial.patients("val"), trial.statistics)
    )


WEIGHTS, BIAS = 1, 2


def altered(content, part, change, operation="Gemm"):
    """The graph with the weights or the bias of its classifier changed, or of its first convolution."""
    model = onnx.load_from_string(content)
    name = next(node for node in model.graph.node if node.op_type == operation).input[part]
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    return model.SerializeToString()


def test_the_graph_itself_differs_in_nothing(yardstick, content) -> None:
    figures = yardstick.compare(content)

    assert figures.films == 40
    assert figures.auroc_difference.value == figures.largest_logit_difference == 0
    assert figures.label_agreement.value == figures.in_distribution_agreement.value == 1
    assert figures.heatmap_correlation == pytest.approx(1)
    assert figures.size_bytes == figures.size_bytes_fp32 == len(content)
    assert 0.2 < figures.speedup.value < 5


def test_the_sign_of_the_difference_is_reduced_minus_fp32(yardstick, content, trial) -> None:
    def exchanged(weights):
        return weights[::-1].copy()

    swapped = altered(altered(content, WEIGHTS, exchanged), BIAS, exchanged)
    own = yardstick.compare(swapped)
    back = Yardstick(
        swapped, trial.record, ValidationSet(trial.films, trial.labels, trial.patients("val"), None)
    ).compare(content)

    assert own.auroc_difference.value == pytest.approx(-back.auroc_difference.value)
    assert own.auroc_difference.value != 0
    assert back.in_distribution_agreement is None


def test_every_film_with_another_label_counts(yardstick, content) -> None:
    surer = altered(content, BIAS, lambda bias: bias + np.array([0, 100], np.float32))

    figures = yardstick.compare(surer)

    assert figures.label_agreement.value == 0.5  # the threshold lies between the films in the middle
    assert figures.largest_logit_difference == pytest.approx(100, rel=1e-4)
    assert figures.heatmap_correlation == pytest.approx(1)  # maps of named classes do not depend on the bias


def test_maps_of_other_features_correlate_less(yardstick, content) -> None:
    other = altered(content, WEIGHTS, lambda weights: -weights[::-1].copy(), "Conv")

    assert yardstick.compare(other).heatmap_correlation < 0.9


def test_a_graph_that_the_runtime_refuses_is_a_bundle_error(yardstick) -> None:
    with pytest.raises(BundleError, match="cannot be loaded by ONNX Runtime"):
        yardstick.compare(b"no graph")
