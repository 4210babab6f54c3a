"""LayerCAM in the graph is that of autograd through the network, at any batch size, and the gate compares it."""

import numpy as np
import pytest
import torch
from safetensors.torch import load

from bundle.opening import open_bundle
from bundle.session import Session
from export.export import ExportOptions, write_bundle
from export.gates.parity import check_parity
from export.graph.graph import FINE_OUTPUTS, export_graph
from export.graph.layercam import trace_fine_gradients
from export.graph.weights import torch_network
from export.place import Place
from schemas.errors import BundleError, ParityError
from service.engine.engine import OnnxEngine
from service.engine.explain_backend import open_explanations
from service.engine.torch_heat_maps import RebuiltNetwork, TorchExplainer
from tests.export.untrained import SIDE, phantoms, settled
from trainer.networks.build import build_network
from trainer.networks.gradcam import explain
from trainer.networks.layercam import cut_at, fine_layer


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("mobilenet", 64),  # depthwise convolutions with uneven padding
        ("cnn_attention", 128),
        pytest.param("densenet121", 224, marks=pytest.mark.long),  # mean pooling between stages
        pytest.param("convnext_tiny", 224, marks=pytest.mark.slow),
    ],
)
def test_the_traced_gradient_is_that_of_autograd_at_any_batch_size(name, side) -> None:
    torch.manual_seed(0)
    network = settled(build_network(name, classes=3, size=side), phantoms(4, side)).requires_grad_(requires_grad=False)
    layer = fine_layer(network, side)
    assert layer is not None
    with cut_at(network, layer) as example:
        network(torch.zeros(2, 1, side, side))
    traced = trace_fine_gradients(network, layer, example[0].detach(), side)

    for count in (1, 3):
        with cut_at(network, layer) as outputs, torch.enable_grad():
            logits = network(torch.from_numpy(phantoms(count, side)))
        target = torch.arange(count) % 3
        (expected,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), outputs[0])
        _, traced_logits, _, gradients = traced(outputs[0].detach(), target)

        torch.testing.assert_close(traced_logits, logits)
        torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.slow
def test_the_map_survives_the_way_through_onnx() -> None:
    torch.manual_seed(0)
    network = settled(build_network("mobilenet", classes=2, size=64), phantoms(8, 64))
    films, targets = phantoms(5, 64), np.array([0, 1, 1, 0, 1])
    graph = Session(export_graph(network, size=64, temperature=1.0, finer_maps=True).SerializeToString())
    expected = explain(network, films, targets, method="layercam")

    assert graph.outputs == FINE_OUTPUTS
    assert expected.shape == (5, 16, 16)
    assert expected.max() > 0
    # The gradient of a ReLU whose input is within rounding of 0 is there or not; most cells have none of these behind.
    assert np.median(np.abs(graph.run(films, targets)["layercam"] - expected)) < 1e-4 * expected.max()
    np.testing.assert_allclose(graph.run(films, targets)["layercam"], expected, atol=0.05 * expected.max())


@pytest.fixture(scope="module")
def finer_bundle(trial, tmp_path_factory):
    place = Place(name="chest", version="2.0.0", out=tmp_path_factory.mktemp("finer"))
    return write_bundle(trial, place, ExportOptions(finer_maps=True))


def test_a_bundle_with_finer_maps_states_their_layer_and_cells(finer_bundle) -> None:
    graph = open_bundle(finer_bundle).manifest.graph

    assert (graph.fine_layer, graph.fine_grid) == ("trunk", (16, 16))
    assert graph.map_outputs == ("gradcam", "gradcam_plus_plus", "layercam")
    assert "layercam" in np.load(finer_bundle / "golden.npz")


def test_a_bundle_without_them_is_what_it_was(bundle) -> None:
    graph = open_bundle(bundle).manifest.graph

    assert (graph.fine_layer, graph.fine_grid) == (None, None)
    assert "layercam" not in np.load(bundle / "golden.npz")


def test_the_gate_refuses_another_map(trial, finer_bundle) -> None:
    run = Session((finer_bundle / "model.onnx").read_bytes()).run

    def altered(films, targets):
        outputs = run(films, targets)
        return {**outputs, "layercam": outputs["layercam"] * 1.1}

    assert check_parity(trial.network, run, trial.record, trial.films).films == 40
    with pytest.raises(ParityError, match=r"^layercam at batch 1 is off by"):
        check_parity(trial.network, altered, trial.record, trial.films)


def test_a_network_of_small_maps_alone_is_refused() -> None:
    network = build_network("cnn4", classes=2, size=SIDE)

    with pytest.raises(BundleError, match="14 x 14 cells at 32 x 32 pixels; train it at a larger size"):
        export_graph(network, size=SIDE, temperature=1.0, finer_maps=True)


def test_the_service_draws_the_maps_that_the_bundle_has(trial, finer_bundle) -> None:
    opened = open_bundle(finer_bundle)
    films, targets = trial.films[:4], np.array([0, 1, 1, 0])
    outputs = OnnxEngine.open(opened, provider="cpu", intra_op_threads=1).run(films, targets)
    expected = explain(trial.network, films, targets, method="layercam")

    assert open_explanations(opened, "auto", threads=1).methods == ("gradcam", "gradcam++", "layercam")
    np.testing.assert_allclose(outputs.maps["layercam"], expected, atol=0.05 * expected.max())


def test_the_torch_backend_draws_the_same_maps() -> None:
    torch.manual_seed(0)
    network = settled(build_network("mobilenet", classes=2, size=64), phantoms(8, 64))
    described, weights = torch_network("mobilenet", network, 64)
    rebuilt = RebuiltNetwork(described, classes=2)
    rebuilt.body.load_state_dict(load(weights))
    films = phantoms(3, 64)
    explainer = TorchExplainer(rebuilt)

    for method in ("layercam", "gradcam", "layercam"):
        expected = explain(network, films, np.array([1, 0, 1]), method=method)
        maps = [explainer.explain(film, target, method) for film, target in zip(films, (1, 0, 1), strict=True)]
        np.testing.assert_allclose(np.stack(maps), expected, atol=0.05 * expected.max())
    assert described.fine_layer == "blocks.1"
