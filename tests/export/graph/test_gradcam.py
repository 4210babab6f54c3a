"""Grad-CAM in the graph against autograd and against the closed form; against the package grad-cam:
test_architectures."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bundle.session import Session
from export.graph.gradcam import trace_gradients
from export.graph.graph import ExplainedNetwork, export_graph
from schemas.errors import BundleError
from tests.export.untrained import phantoms
from trainer.networks.gradcam import gradcam
from trainer.networks.network import Network


class Headed(Network):
    """A network whose feature map is a convolution and whose head is given."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__("stem", (0.5,), (0.25,))
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(8, 2)

    def features(self, image: Tensor) -> Tensor:
        return self.stem(self.normalise(image))

    def pool(self, features: Tensor) -> Tensor:
        return self.layers(features)


HEADS = {
    "a convolution": lambda: nn.Conv2d(8, 8, 3, padding=1),
    "a strided convolution that drops an edge": lambda: nn.Conv2d(8, 8, 3, stride=2),
    "a dilated depthwise convolution": lambda: nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),
    "batch norm": lambda: nn.BatchNorm2d(8),
    "layer norm": lambda: nn.LayerNorm([8, 8, 8]),
    "ReLU6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "SiLU": nn.SiLU,
    "GELU": nn.GELU,
    "mean pooling": lambda: nn.AvgPool2d(2),
    "overlapping mean pooling": lambda: nn.AvgPool2d(3, stride=2, padding=1),
    "uneven padding": lambda: nn.ZeroPad2d((0, 1, 1, 2)),
    "max pooling": lambda: nn.MaxPool2d(2),
    "max pooling of ties": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)),
    "overlapping max pooling": lambda: nn.MaxPool2d(3, stride=2, padding=1),
}


def gradients_by_autograd(network, features, target):
    features = features.clone().requires_grad_()
    logits = network.head(features)
    return torch.autograd.grad(logits[range(len(target)), target].sum(), features)[0]


@pytest.mark.parametrize("layer", HEADS.values(), ids=HEADS.keys())
def test_the_traced_gradient_of_a_head_is_that_of_autograd_at_any_batch_size(layer) -> None:
    torch.manual_seed(1)
    network = Headed(layer()).eval().requires_grad_(requires_grad=False)
    traced = trace_gradients(network, torch.zeros(2, 8, 8, 8))

    for count in (1, 5):
        features = torch.randn(count, 8, 8, 8)
        target = torch.arange(count) % 2
        logits, gradients = traced(features, target)

        torch.testing.assert_close(logits, network.head(features))
        torch.testing.assert_close(gradients, gradients_by_autograd(network, features, target))


@pytest.mark.slow
def test_a_head_of_many_kinds_of_layers_survives_the_way_through_onnx() -> None:
    torch.manual_seed(2)
    network = Headed(*(layer() for name, layer in HEADS.items() if name not in {"layer norm", "max pooling"})).eval()
    films = phantoms(5, 32)
    target = np.array([0, 1, 1, 0, 1])
    explained = ExplainedNetwork(network, size=32, temperature=1.0)
    features = network.features(torch.from_numpy(films))
    expected = gradcam(features, gradients_by_autograd(network, features, torch.from_numpy(target))).numpy()

    maps = Session(export_graph(network, size=32, temperature=1.0).SerializeToString()).run(films, target)["gradcam"]

    assert expected.max() > 0
    np.testing.assert_allclose(maps, expected, atol=1e-4 * expected.max())
    np.testing.assert_allclose(explained(torch.from_numpy(films), torch.from_numpy(target))[3], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "operation"),
    [(nn.AdaptiveAvgPool2d(3), "adaptive_avg_pool2d_backward"), (nn.ConvTranspose2d(8, 8, 3), "convolution_backward")],
)
def test_a_gradient_without_an_onnx_form_is_refused_by_its_name(layer, operation) -> None:
    network = Headed(layer).eval().requires_grad_(requires_grad=False)

    with pytest.raises(BundleError, match=rf"aten\._?{operation}.*add a decomposition"):
        trace_gradients(network, torch.zeros(2, 8, 8, 8))


def test_behind_pooling_and_one_linear_layer_the_map_is_the_closed_form(trial) -> None:
    network = trial.network
    films = torch.from_numpy(trial.films[:4])
    _, _, _, maps, _ = ExplainedNetwork(network, size=32, temperature=1.0)(films, torch.tensor([0, 1, 0, 1]))
    features = network.features(films)  # [N, C, h, w]
    weights = network.classifier.weight[[0, 1, 0, 1]] / features[0, 0].numel()  # [N, C]

    expected = torch.einsum("nc,nchw->nhw", weights, features).relu()

    assert expected.max() > 0
    torch.testing.assert_close(maps, expected)
