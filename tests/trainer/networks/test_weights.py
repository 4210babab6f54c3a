"""Pretrained weights fit, or the error lists what does not."""

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from bundle.files import sha256_of
from imaging.phantom import phantom
from schemas.errors import WeightsError
from trainer.networks.architectures import ARCHITECTURES
from trainer.networks.build import build_network
from trainer.networks.lungs.guide import GuideNetwork
from trainer.networks.weights import load_pretrained, restore_batch_norm


def _network(name: str, classes: int = 2) -> Any:
    torch.manual_seed(0)
    return build_network(name, classes=classes, size=64)


def _films(count: int = 6) -> np.ndarray:
    return np.stack([phantom(64, 64, seed=seed)[None] for seed in range(count)]).astype(np.float32) / 255


@pytest.fixture(scope="module")
def imagenet_like() -> dict[str, torch.Tensor]:
    """A state dict as a hub gives it: timm's names, 1,000 classes."""
    torch.manual_seed(5)
    return timm.create_model("tf_efficientnet_lite0").state_dict()


@pytest.mark.parametrize("extension", [".safetensors", ".pth", ".pt"])
def test_a_state_dict_loads_in_fp16_and_leaves_the_new_last_layer_alone(tmp_path, imagenet_like, extension) -> None:
    path = tmp_path / f"weights{extension}"
    half = {key: value.half() if value.is_floating_point() else value for key, value in imagenet_like.items()}
    save_file(half, path) if extension == ".safetensors" else torch.save({"state_dict": half}, path)
    network = _network("tf_efficientnet_lite0")
    head = network.classifier.weight.clone()

    origin = load_pretrained(network, str(path))

    assert origin == f"weights{extension} sha256:{sha256_of(path)}"
    assert torch.equal(network.body.conv_stem.weight, imagenet_like["conv_stem.weight"].half().float())
    assert network.body.conv_stem.weight.dtype == torch.float32
    assert torch.equal(network.classifier.weight, head)


def test_a_last_layer_of_the_same_class_count_is_taken_over(tmp_path) -> None:
    other = _network("cnn_attention")
    torch.nn.init.ones_(other.classifier.weight)
    save_file(other.state_dict(), tmp_path / "best.safetensors")
    network = _network("cnn_attention")

    load_pretrained(network, str(tmp_path / "best.safetensors"))

    assert all(torch.equal(value, other.state_dict()[key]) for key, value in network.state_dict().items())


def test_the_weights_of_a_trial_of_ours_start_another(tmp_path) -> None:
    torch.manual_seed(9)
    other = _network("mobilenet", classes=3)
    save_file(other.state_dict(), tmp_path / "best.safetensors")
    network = _network("mobilenet")

    load_pretrained(network, str(tmp_path / "best.safetensors"))

    assert torch.equal(network.body.conv_stem.weight, other.body.conv_stem.weight)


def test_the_weights_of_a_trial_behind_a_guide_start_a_network_of_another_guide_or_of_none(tmp_path) -> None:
    guided = build_network("cnn_baseline", classes=3, size=64, guide=GuideNetwork([2, 3]))
    save_file(guided.state_dict(), tmp_path / "best.safetensors")
    network = _network("cnn_baseline")
    head = network.classifier.weight.clone()

    load_pretrained(network, str(tmp_path / "best.safetensors"))

    assert torch.equal(network.trunk[0].weight, guided.learner.trunk[0].weight)
    assert torch.equal(network.classifier.weight, head)


@pytest.mark.slow
@pytest.mark.parametrize("fully_connected", [True, False])
def test_vgg_takes_its_convolutions_with_or_without_the_fully_connected_layers(tmp_path, fully_connected) -> None:
    torch.manual_seed(5)
    state = _network("vgg16").body.state_dict()
    state = {key: torch.randn_like(value) for key, value in state.items() if key.startswith("features.")}
    if fully_connected:
        state |= {"pre_logits.fc1.weight": torch.zeros(8, 4), "head.fc.weight": torch.zeros(1000, 4096)}
    torch.save(state, tmp_path / "vgg.pth")
    network = _network("vgg16")

    load_pretrained(network, str(tmp_path / "vgg.pth"))

    assert torch.equal(network.body.features[0].weight, state["features.0.weight"])


def test_keys_that_do_not_fit_are_listed_and_counted(tmp_path, imagenet_like) -> None:
    state = {key: value for key, value in imagenet_like.items() if not key.startswith("blocks.")}
    state |= {"conv_stem.weight": torch.zeros(32, 1, 3, 3), "surplus": torch.zeros(1)}
    torch.save(state, tmp_path / "weights.pth")
    network = _network("tf_efficientnet_lite0")
    before = {key: value.clone() for key, value in network.state_dict().items()}

    with pytest.raises(WeightsError) as caught:
        load_pretrained(network, str(tmp_path / "weights.pth"))

    message = str(caught.value)
    missing = [key for key in imagenet_like if key.startswith("blocks.") and not key.endswith("num_batches_tracked")]
    assert f"{len(missing)} missing: {', '.join(missing[:10])};" in message
    assert "1 unexpected: surplus" in message
    assert "1 of another shape: conv_stem.weight (32, 1, 3, 3), not (32, 3, 3, 3)" in message
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_no_weights_and_a_hub_without_this_network_are_recorded_as_none() -> None:
    assert load_pretrained(_network("mobilenet"), "none") == "none"
    assert load_pretrained(_network("cnn_attention"), "hub") == "none"


def test_a_hub_that_cannot_be_reached_is_an_error_with_a_remedy() -> None:
    network = _network("mobilenet")
    network.timm_name = "test_vit_of_no_hub"

    with pytest.raises(WeightsError, match=r"hub gave no weights for test_vit_of_no_hub: .*--weights FILE, or 'none'"):
        load_pretrained(network, "hub")


class _Payload:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.safetensors", None, "cannot be read"),
        ("weights.onnx", b"x", "the kind '.onnx' are not read"),
        ("weights.safetensors", b"not tensors", "cannot be read"),
        ("weights.pth", b"not a pickle", "cannot be read|hold more than tensors"),
        ("weights.pth", {"conv": _Payload()}, "hold more than tensors"),
        ("weights.pth", [torch.zeros(1)], "not a state dict"),
    ],
)
def test_files_that_are_no_state_dict_are_refused_and_never_executed(tmp_path, capsys, name, content, message) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        torch.save(content, tmp_path / name)

    with pytest.raises(WeightsError, match=message):
        load_pretrained(_network("cnn_baseline"), str(tmp_path / name))

    assert capsys.readouterr().out == ""


@torch.no_grad()
def _fold(network: Any) -> None:
    """Fold each batch norm of MobileNet into its convolution, as the public files come."""
    modules = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d)]
    for convolution, norm in zip(modules[::2], modules[1::2], strict=True):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        convolution.weight.mul_(scale[:, None, None, None])
        norm.bias.sub_(norm.running_mean * scale)
        norm.weight.fill_(1)
        norm.running_mean.fill_(0)
        norm.running_var.fill_(1 - norm.eps)


@pytest.fixture(scope="module")
def trained_mobilenet() -> Any:
    network = _network("mobilenet")
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.rand(8, 1, 64, 64))
    return network


@pytest.fixture
def mobilenet_with_history(trained_mobilenet) -> Any:
    """A MobileNet whose norms have seen films."""
    return deepcopy(trained_mobilenet)


@torch.no_grad()
def test_folded_batch_norms_get_the_statistics_of_the_films_and_the_output_stays(mobilenet_with_history) -> None:
    network = mobilenet_with_history
    films = torch.from_numpy(_films())
    before = network.eval()(films)
    _fold(network)
    torch.testing.assert_close(network.eval()(films), before, rtol=1e-3, atol=1e-5)

    restored = restore_batch_norm(network, _films(), batch_size=4)
    norm = network.body.bn1
    stem = network.body.conv_stem(network.normalise(films))

    assert restored == 27
    torch.testing.assert_close(network.eval()(films), before, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(norm.running_mean, stem.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(norm.running_var, stem.var((0, 2, 3), unbiased=False), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_restored_batch_norms_make_train_mode_agree_with_eval_mode(mobilenet_with_history) -> None:
    network = mobilenet_with_history
    network.body.classifier.weight.normal_()
    _fold(network)
    restore_batch_norm(network, _films())
    films = torch.from_numpy(_films())
    stem = network.body.bn1

    torch.testing.assert_close(
        stem.train()(network.body.conv_stem(network.normalise(films))),
        stem.eval()(network.body.conv_stem(network.normalise(films))),
        rtol=1e-3,
        atol=1e-4,
    )


def test_batch_norms_that_were_not_folded_are_left_alone(mobilenet_with_history) -> None:
    network = mobilenet_with_history
    before = {key: value.clone() for key, value in network.state_dict().items()}

    assert restore_batch_norm(network, _films()) == 0
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mobilenet", "tf_efficientnet_lite0", "vgg16"])
@torch.no_grad()
def test_the_public_weights_load_and_tell_films_apart(name) -> None:
    folder = os.environ.get("CXR_WEIGHTS_DIR")
    if not folder:
        pytest.skip("CXR_WEIGHTS_DIR is not set: no pretrained weights")
    files = {"mobilenet": "mobilenetv1_100", "vgg16": "vgg16_features"}
    path = Path(folder) / f"{files.get(name, name)}.safetensors"
    network = _network(name)
    films = torch.from_numpy(_films())

    origin = load_pretrained(network, str(path))
    before = network.eval()(films)
    restored = restore_batch_norm(network, _films())

    assert origin == f"{path.name} sha256:{sha256_of(path)}"
    assert restored == (27 if name == "mobilenet" else 0)
    torch.testing.assert_close(network.eval()(films), before, rtol=1e-3, atol=1e-4)
    assert network.features(films).std() > 0.01
    assert ARCHITECTURES[name].timm_name == network.timm_name
