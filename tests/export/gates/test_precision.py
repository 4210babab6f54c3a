"""A reduced precision is kept only where it changes next to nothing, and is worth it."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bundle.golden import compare_golden, read_golden
from bundle.opening import open_bundle
from bundle.session import Session
from export.gates.precision import FLOAT_CONVOLUTIONS, attempt, objection
from schemas.errors import BundleError
from tests.export.figures import GOOD, figure
from tests.export.untrained import SIDE, phantoms
from tests.fakes import ScriptedComparator

SLOW = GOOD.model_copy(update={"speedup": figure(1.05, 0.01)})
OTHER_LABELS = GOOD.model_copy(update={"label_agreement": figure(0.9936)})


@pytest.fixture(scope="module")
def model(bundle):
    return onnx.load(bundle / "model.onnx")


@pytest.fixture(scope="module")
def golden(bundle):
    return read_golden(open_bundle(bundle))


def chain(convolutions):
    """A graph of so many convolutions with the outputs of the contract."""
    random = np.random.default_rng(0)
    tensors = ["image", *(f"a{index}" for index in range(convolutions))]
    kernels = [random.normal(size=(2, 2 if index else 1, 1, 1)).astype(np.float32) for index in range(convolutions)]
    nodes = [
        helper.make_node("Conv", [tensors[index], f"w{index}"], [tensors[index + 1]], f"conv{index}")
        for index in range(convolutions)
    ]
    nodes += [
        helper.make_node("ReduceMean", [tensors[-1], "space"], ["embedding"], keepdims=0),
        helper.make_node("Identity", ["embedding"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
        helper.make_node("ReduceSum", [tensors[-1], "channel"], ["gradcam"], keepdims=0),
        helper.make_node("Identity", ["gradcam"], ["gradcam_plus_plus"]),
    ]
    inputs: dict[str, tuple[int, list[str | int]]] = {
        "image": (TensorProto.FLOAT, ["N", 1, SIDE, SIDE]),
        "target": (TensorProto.INT64, ["N"]),
    }
    constants = {f"w{index}": kernel for index, kernel in enumerate(kernels)}
    constants |= {"space": np.array([2, 3]), "channel": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info(name, *entry) for name, entry in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in ("logits", "probabilities", "embedding", "gradcam", "gradcam_plus_plus")
            if name != "layercam"
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"auroc_difference": figure(-0.0021)}, r"validation AUROC changes by -0\.0021, 0\.002 is accepted"),
        ({"auroc_difference": figure(+0.0021)}, r"validation AUROC changes by \+0\.0021"),
        ({"label_agreement": figure(0.9949)}, r"99\.49% of 780 films get the label of fp32, 99\.5% must"),
        ({"speedup": figure(1.09, 0.01)}, r"1\.09 times as fast as fp32, at least 1\.1 is asked for"),
    ],
)
def test_int8_beyond_a_limit_is_refused_with_the_figure_and_the_limit(change, reason) -> None:
    assert re.match(reason, objection("int8", GOOD.model_copy(update=change)) or "")


@pytest.mark.parametrize(
    "change", [{}, {"auroc_difference": figure(0.002)}, {"label_agreement": figure(0.995)}, {"speedup": figure(1.1)}]
)
def test_int8_at_the_limit_passes(change) -> None:
    assert objection("int8", GOOD.model_copy(update=change)) is None


def test_fp16_is_for_gpus_and_not_judged_by_its_time_on_a_cpu() -> None:
    assert objection("fp16", SLOW) is None
    assert objection("fp16", OTHER_LABELS) is not None


def test_what_passes_is_kept_with_its_graph_its_golden_outputs_and_its_figures(model, golden, trial) -> None:
    comparator = ScriptedComparator(GOOD)

    tried = attempt("int8", model, trial.films, comparator, golden)

    assert tried.record.refused is None
    assert tried.record.figures == GOOD
    assert "the first 1 of 2 convolutions" in tried.record.method
    assert set(tried.files) == {"model.int8.onnx", "golden.int8.npz"}
    assert comparator.shown == [tried.files["model.int8.onnx"]]


def test_the_golden_outputs_are_those_of_the_reduced_graph_within_its_own_tolerance(
    model, golden, trial, bundle, tmp_path
) -> None:
    tried = attempt("int8", model, trial.films, ScriptedComparator(GOOD), golden)
    path = tmp_path / "golden.int8.npz"
    path.write_bytes(tried.files[path.name])
    own = {**golden, **np.load(path)}
    manifest = open_bundle(bundle).manifest
    tolerance = tried.record.files.tolerance
    plain = Session(tried.files["model.int8.onnx"], optimized=False).run

    assert 1e-3 <= tolerance < 0.3
    assert compare_golden(plain, own, manifest, tolerance).relative <= tolerance / 4 + 1e-9
    with pytest.raises(BundleError, match="golden logits: off by"):
        compare_golden(plain, {**own, "logits": own["logits"] * (1 + 2 * tolerance)}, manifest, tolerance)


def test_a_graph_that_changes_labels_is_tried_again_with_more_convolutions_in_float(golden) -> None:
    comparator = ScriptedComparator(OTHER_LABELS, OTHER_LABELS, GOOD)
    impatient = ScriptedComparator(OTHER_LABELS, OTHER_LABELS)

    kept = attempt("int8", chain(16), phantoms(4, SIDE), comparator, golden)
    refused = attempt("int8", chain(7), phantoms(4, SIDE), impatient, golden)

    assert FLOAT_CONVOLUTIONS == (1, 6, 15)
    assert len(set(comparator.shown)) == 3
    assert "the first 15 of 16 convolutions" in kept.record.method
    assert kept.files["model.int8.onnx"] == comparator.shown[2]
    assert len(impatient.shown) == 2
    assert (refused.files, refused.record.files) == ({}, None)
    assert refused.record.refused == "99.36% of 780 films get the label of fp32, 99.5% must"


def test_a_graph_that_is_not_faster_is_not_tried_with_still_more_in_float(golden) -> None:
    comparator = ScriptedComparator(SLOW)

    refused = attempt("int8", chain(16), phantoms(4, SIDE), comparator, golden)

    assert len(comparator.shown) == 1
    assert refused.record.refused == "1.05 times as fast as fp32, at least 1.1 is asked for"


def test_a_network_of_one_convolution_has_nothing_to_quantize(golden) -> None:
    tried = attempt("int8", chain(1), phantoms(4, SIDE), ScriptedComparator(), golden)

    assert tried.record.refused == "the backbone has no convolution after the first"
    assert tried.record.figures is None


def test_a_graph_that_cannot_be_run_is_refused_and_the_export_goes_on(model, golden, trial) -> None:
    tried = attempt("fp16", model, trial.films, ScriptedComparator(BundleError("no such kernel")), golden)

    assert (tried.record.refused, tried.record.figures, tried.files) == ("no such kernel", None, {})


def test_calibration_films_are_spread_over_all_training_films(model, golden) -> None:
    dark = np.concatenate([np.zeros((300, 1, SIDE, SIDE), np.float32), np.ones((300, 1, SIDE, SIDE), np.float32)])
    half = ScriptedComparator(GOOD)
    all_ = ScriptedComparator(GOOD)

    attempt("int8", model, dark[:300], half, golden)
    attempt("int8", model, dark, all_, golden)

    assert half.shown != all_.shown
