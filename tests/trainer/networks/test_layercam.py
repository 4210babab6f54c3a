"""LayerCAM is that of the package grad-cam, at a layer of at least 14 x 14 cells for every architecture."""

import numpy as np
import pytest
import torch

from schemas.errors import TrainingConfigError
from tests.architectures import EACH_ARCHITECTURE
from tests.export.untrained import phantoms, settled
from trainer.networks.architectures import ARCHITECTURES
from trainer.networks.build import build_network
from trainer.networks.gradcam import explain
from trainer.networks.layercam import cut_at, fine_layer, layercam, output_of, replaced_at
from trainer.networks.network import Network

SIDE = 64


def network(name: str = "mobilenet") -> Network:
    torch.manual_seed(0)
    return settled(build_network(name, classes=3, size=SIDE), phantoms(8, SIDE))


@pytest.mark.parametrize("name", EACH_ARCHITECTURE)
def test_every_architecture_has_finer_maps_at_its_own_size(name: str) -> None:
    side = ARCHITECTURES[name].input_size
    made = build_network(name, classes=2, size=side).eval()
    layer = fine_layer(made, side)
    assert layer is not None
    with torch.no_grad():
        output = output_of(made, layer, torch.zeros(1, 1, side, side))

    assert min(output.shape[2:]) >= 14


@pytest.mark.parametrize("name", ["mobilenet", "cnn4"])
def test_the_maps_are_those_of_the_package_grad_cam(name: str) -> None:
    from pytorch_grad_cam import LayerCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    made, films, targets = network(name), phantoms(4, SIDE * 2), np.array([0, 1, 2, 0])
    layer = fine_layer(made, SIDE * 2)
    assert layer is not None
    maps = explain(made, films, targets, method="layercam", batch_size=3)
    with LayerCAM(made, [made.get_submodule(layer)]) as explainer:
        drawn = explainer.activations_and_grads
        explainer(torch.from_numpy(films), targets=[ClassifierOutputTarget(index) for index in targets.tolist()])
        features, gradients = drawn.activations[0], drawn.gradients[0]
        parts = (features.numpy(), gradients.numpy(), False)
        expected = explainer.get_cam_image(torch.from_numpy(films), made.get_submodule(layer), [], *parts)

    assert expected.max() > 0
    np.testing.assert_allclose(maps, np.maximum(expected, 0), atol=1e-5 * expected.max())


def test_it_is_the_positive_part_of_positive_gradients_times_features() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[-3.0, 1.0]]]])
    gradients = torch.tensor([[[[1.0, -1.0]], [[1.0, 2.0]]]])

    assert layercam(features, gradients).tolist() == [[[0.0, 2.0]]]


def test_what_comes_after_the_layer_depends_on_its_output_alone() -> None:
    made, films = network(), torch.from_numpy(phantoms(3, SIDE))
    layer = fine_layer(made, SIDE)
    assert layer is not None
    with torch.no_grad():
        output = output_of(made, layer, films)
        with replaced_at(made, layer, output):
            replaced = made(torch.zeros(1, 1, SIDE, SIDE))
        with cut_at(made, layer) as outputs:
            cut = made(films)

        torch.testing.assert_close(replaced, made(films))
        torch.testing.assert_close(cut, made(films))
    assert torch.equal(outputs[0], output)


def test_a_network_of_small_maps_alone_is_refused_with_its_size() -> None:
    with pytest.raises(TrainingConfigError, match="14 x 14 cells, and this network has none at 32 x 32 pixels"):
        explain(build_network("cnn4", classes=2, size=32), phantoms(2, 32), np.zeros(2, np.int64), method="layercam")
