"""Every row of the architecture table builds, and its parts fit together."""

from typing import Any

import pytest
import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from schemas.errors import TrainingConfigError
from tests.architectures import EACH_ARCHITECTURE
from trainer.networks.architectures import ARCHITECTURES, IMAGENET_MEAN, IMAGENET_STD, Architecture, Weights
from trainer.networks.build import build_network, build_row


def _network(name: str) -> Any:
    torch.manual_seed(7)
    return build_network(name, classes=3, size=64).eval()


@pytest.mark.parametrize("name", EACH_ARCHITECTURE)
@torch.no_grad()
def test_a_network_is_its_head_on_its_features(name) -> None:
    network = _network(name)
    image = torch.rand(2, 1, 64, 64)
    seen: list[torch.Tensor] = []
    network.get_submodule(network.cam_layer).register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))

    features = network.features(image)
    embedding = network.embed(features)
    logits = network(image)

    assert logits.shape == (2, 3)
    assert features.ndim == 4
    assert embedding.ndim == 2
    torch.testing.assert_close(network.head(features), logits, rtol=0, atol=0)
    torch.testing.assert_close(network.classifier(embedding), logits, rtol=0, atol=0)
    torch.testing.assert_close(seen[0], features, rtol=0, atol=0)
    assert not torch.equal(logits[0], logits[1])
    assert isinstance(network.classifier, nn.Linear)


@pytest.mark.parametrize("name", ["mobilenet", "tf_efficientnet_lite0", "resnet50", "densenet121"])
@torch.no_grad()
def test_a_gray_film_gives_exactly_the_features_of_its_rgb_copy(name) -> None:
    network = _network(name)
    row = ARCHITECTURES[name]
    image = torch.rand(2, 1, 64, 64)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (row.mean, row.std))

    rgb = network.body.forward_features((image.repeat(1, 3, 1, 1) - mean) / std)

    assert torch.equal(network.features(image), rgb)


@torch.no_grad()
def test_evaluation_is_deterministic_because_dropout_is_off() -> None:
    network = _network("cnn_attention")
    image = torch.rand(2, 1, 64, 64)

    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


def test_the_attention_network_has_about_half_a_million_parameters() -> None:
    network = build_network("cnn_attention", classes=2)

    assert sum(parameter.numel() for parameter in network.parameters()) == 471_139


def test_the_baseline_has_two_convolutions() -> None:
    network = build_network("cnn_baseline", classes=2)

    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 2


@torch.no_grad()
def test_the_attention_gate_and_the_hidden_layer_make_the_head_non_linear() -> None:
    network = _network("cnn_attention")
    a, b = torch.rand(2, 1, 256, 8, 8)

    nonlinearity = network.head(a + b) + network.head(torch.zeros_like(a)) - network.head(a) - network.head(b)

    assert nonlinearity.abs().max() > 1e-4


@torch.no_grad()
def test_vgg_is_explained_before_its_last_pooling() -> None:
    network = build_network("vgg16", classes=2).eval()

    assert network.features(torch.rand(1, 1, 224, 224)).shape == (1, 512, 14, 14)


@torch.no_grad()
def test_any_network_of_timm_can_be_named() -> None:
    network = build_network("timm:resnet18", classes=2, size=64).eval()

    assert network(torch.rand(1, 1, 64, 64)).shape == (1, 2)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("resnet5000", None, "no architecture is called 'resnet5000'"),
        ("timm:resnet5000", None, "timm:<name>"),
        ("timm:vit_tiny_patch16_224", None, "no feature map"),
        ("timm:vit_tiny_patch16_224", 64, "cannot take films of 64 x 64"),
        ("cnn_attention", 8, "no feature map"),
    ],
)
def test_a_network_that_cannot_be_trained_here_is_refused_by_name(name, size, message) -> None:
    with pytest.raises(TrainingConfigError, match=message):
        build_network(name, classes=2, size=size)


def test_rows_cannot_be_altered() -> None:
    assert isinstance(ARCHITECTURES["mobilenet"], Architecture)
    with pytest.raises(TypeError):
        ARCHITECTURES["mobilenet"] = ARCHITECTURES["resnet50"]


@pytest.mark.parametrize("name", EACH_ARCHITECTURE)
def test_a_row_states_the_parameters_and_the_hub_weights_that_its_network_has(name) -> None:
    row = ARCHITECTURES[name]
    pretrained = timm.get_pretrained_cfg(row.timm_name) if row.timm_name else None

    assert row.parameters == sum(parameter.numel() for parameter in build_row(row, classes=2).parameters())
    assert row.hub == (pretrained and Weights(pretrained.tag, pretrained.license))
    assert row.purpose


def test_pixels_are_normalised_as_for_imagenet() -> None:
    assert (IMAGENET_MEAN, IMAGENET_STD) == (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
