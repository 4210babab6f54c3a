"""Torch draws the heat maps that the graph would draw, for the graph's own network alone."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save

from bundle.opening import open_bundle
from schemas.errors import BundleError, InferenceError
from schemas.model.manifest import WEIGHTS
from service.engine.engine import OnnxEngine
from service.engine.torch_heat_maps import TorchExplainer
from tests.export.untrained import phantoms
from tests.service.bundles import replace_file
from tests.service.timm_bundle import SIDE, copy_of
from trainer.networks.gradcam import gradcam, gradcam_plus_plus

FILMS = phantoms(6, SIDE)
FORMULAS = {"gradcam": gradcam, "gradcam++": gradcam_plus_plus}


@pytest.fixture
def directory(timm_bundle):
    return timm_bundle


def explainer_of(directory):
    bundle = open_bundle(directory)
    return TorchExplainer.open(bundle, bundle.manifest.torch)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
@pytest.mark.parametrize("target", [0, 1])
def test_both_backends_draw_the_same_map_in_the_same_units(directory, method, target) -> None:
    engine = OnnxEngine.open(open_bundle(directory), provider="cpu", intra_op_threads=1)
    in_graph = engine.run(FILMS, np.full(len(FILMS), target)).maps[method]

    explainer = explainer_of(directory)
    by_torch = np.stack([explainer.explain(film, target, method) for film in FILMS])

    assert by_torch.dtype == np.float32
    assert by_torch.shape == in_graph.shape
    assert in_graph.max() > 0, "every map was empty: nothing was compared"
    assert np.abs(by_torch - in_graph).max() <= 1e-3 * in_graph.max()


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_a_layer_that_the_next_one_would_overwrite_is_explained_as_it_was(directory, tmp_path, method) -> None:
    layer = "blocks.1.0.bn1.drop"  # hands on what the norm gives to an activation that works in place
    explainer = explainer_of(copy_of(directory, tmp_path, cam_layer=layer))
    described = open_bundle(directory).manifest.torch
    body = timm.create_model(described.timm_name, num_classes=2).eval()
    body.load_state_dict(load_file(directory / WEIGHTS))
    kept = []

    def keep(_module, _inputs, output):
        kept.append(output)
        return output.clone()

    body.get_submodule(layer).register_forward_hook(keep)
    logits = body(
        (torch.from_numpy(FILMS[:1]) - torch.tensor(described.mean)[:, None, None])
        / torch.tensor(described.std)[:, None, None]
    )
    (gradients,) = torch.autograd.grad(logits[0, 1], kept[0])
    expected = FORMULAS[method](kept[0], gradients)[0].detach().numpy()

    assert expected.max() > 0
    np.testing.assert_allclose(explainer.explain(FILMS[0], 1, method), expected, atol=1e-3 * expected.max())


def test_explaining_leaves_no_gradient_and_no_hook_behind(directory) -> None:
    explainer = explainer_of(directory)
    network = explainer._network
    hooks = sum(len(module._forward_hooks) for module in network.modules())

    explainer.explain(FILMS[0], 0, "gradcam")

    assert all(parameter.grad is None for parameter in network.parameters())
    assert sum(len(module._forward_hooks) for module in network.modules()) == hooks
    assert hooks == 2  # one at each layer that can be explained


def test_weights_of_another_network_of_the_same_architecture_are_refused(directory, tmp_path) -> None:
    spoilt = copy_of(directory, tmp_path)
    weights = load_file(spoilt / WEIGHTS)
    weights["classifier.weight"] *= 1.05
    replace_file(spoilt, WEIGHTS, save(weights))

    with pytest.raises(BundleError, match=r"weights\.safetensors are not the weights of the graph: .* off by"):
        explainer_of(spoilt)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"timm_name": "no_such_network"}, "cannot build 'no_such_network' as the manifest describes it"),
        ({"timm_name": "test_resnet", "fine_layer": None}, r"weights\.safetensors do not fit test_resnet"),
        ({"cam_layer": "no.such.layer"}, "cannot build 'test_efficientnet'"),
        ({"fine_layer": "no.such.layer"}, "cannot build 'test_efficientnet'"),
        ({"cam_layer": "global_pool"}, r"cam_layer gives \(8, 256\), which is not a map"),
        ({"mean": [0.5, 0.5], "std": [0.5, 0.5]}, "torch cannot run the network of the manifest"),
        ({"mean": [0.1, 0.1, 0.1]}, "are not the weights of the graph"),
        ({"arguments": {"no_such_argument": 1}}, "cannot build 'test_efficientnet'"),
    ],
)
def test_a_description_that_is_not_of_the_graphs_network_is_refused(directory, tmp_path, described, message) -> None:
    with pytest.raises(BundleError, match=message):
        explainer_of(copy_of(directory, tmp_path, **described))


@pytest.mark.parametrize(
    "argument", ["checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"]
)
def test_no_bundle_can_make_timm_fetch_or_unpickle_a_file(directory, tmp_path, argument) -> None:
    with pytest.raises(BundleError, match=f"multiple values for keyword argument '{argument}'"):
        explainer_of(copy_of(directory, tmp_path, arguments={argument: "weights.pth"}))


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet50", "local-dir:/srv/network"])
def test_an_address_is_no_architecture(directory, tmp_path, name) -> None:
    with pytest.raises(BundleError, match=r"torch\.timm_name: String should match pattern"):
        open_bundle(copy_of(directory, tmp_path, timm_name=name))


def test_weights_that_are_no_safetensors_file_are_refused(directory, tmp_path) -> None:
    spoilt = copy_of(directory, tmp_path)
    replace_file(spoilt, WEIGHTS, b"rubbish")

    with pytest.raises(BundleError, match=r"weights\.safetensors do not fit test_efficientnet"):
        explainer_of(spoilt)


def test_a_failure_of_torch_is_a_failure_of_the_film_alone(directory) -> None:
    explainer = explainer_of(directory)

    with pytest.raises(InferenceError, match="reason is in the service's log"):
        explainer.explain(np.zeros((2, SIDE, SIDE), np.float32), 0, "gradcam")
    assert explainer.explain(FILMS[0], 0, "gradcam").shape == (2, 2)
