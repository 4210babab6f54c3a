"""Weights beside the graph are those of the network, for networks that timm alone builds."""

from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load

from export.graph.weights import torch_network
from schemas.errors import BundleError
from tests.export.untrained import phantoms
from trainer.networks.architectures import architecture
from trainer.networks.build import build_network


@pytest.mark.parametrize("name", ["mobilenet", "timm:test_convnext"])
def test_timm_builds_the_network_again_from_its_description_and_weights(name) -> None:
    network = build_network(name, classes=3, size=64).eval()
    films = torch.from_numpy(phantoms(2, 64))

    described, weights = torch_network(name, network, 64)
    arguments: Any = described.arguments
    again = timm.create_model(described.timm_name, num_classes=3, **arguments).eval()
    again.load_state_dict(load(weights))
    mean, std = (torch.tensor(values)[:, None, None] for values in (described.mean, described.std))

    with torch.no_grad():
        torch.testing.assert_close(again((films - mean) / std), network(films))
    assert described.arguments == dict(architecture(name).timm_arguments)


@pytest.mark.parametrize("name", ["cnn_baseline", "vgg16"])
def test_a_network_that_timm_alone_does_not_build_is_refused(name) -> None:
    network = build_network(name, classes=2, size=64)

    with pytest.raises(BundleError, match=f"{name} is not built by timm alone"):
        torch_network(name, network, 64)
