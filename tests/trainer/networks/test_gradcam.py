"""Heat maps equal those of the PyPI package grad-cam, for networks and batches of any size."""

from itertools import product

import cv2
import numpy as np
import pytest
import torch

from imaging.phantom import phantom
from trainer.networks.designs import ConvolutionalDesign
from trainer.networks.gradcam import explain
from trainer.networks.network import ConvolutionalNetwork

SIDE = 48
CLASSES = 3
METHODS = {"gradcam": "GradCAM", "gradcam++": "GradCAMPlusPlus"}


def films(count):
    return np.stack([phantom(SIDE, SIDE, seed=seed)[None] / 255 for seed in range(count)]).astype(np.float32)


def network(*, attention=False):
    torch.manual_seed(0)
    made = ConvolutionalNetwork(CLASSES, 0.2, ConvolutionalDesign((8, 16), 12, norm=True, attention=attention))
    made(torch.from_numpy(films(8)))  # batch norm sees films once: its untrained statistics would saturate the head
    return made


def reference(method, explained, images, targets):
    """The package's map [N, S, S] in [0, 1], from the layer that `cam_layer` names."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer = explained.get_submodule(explained.cam_layer)
    with getattr(pytorch_grad_cam, METHODS[method])(explained, [layer]) as explainer:
        return explainer(torch.from_numpy(images), targets=[ClassifierOutputTarget(index) for index in targets])


def scaled(maps):
    """As the package does it: to [0, 1] film by film, enlarged, and once more to [0, 1]."""

    def unit(map_):
        return (map_ - map_.min()) / (1e-7 + (map_ - map_.min()).max())

    return np.stack([unit(unit_map) for unit_map in (cv2.resize(unit(map_), (SIDE, SIDE)) for map_ in maps)])


@pytest.mark.parametrize(("method", "attention"), [*product(METHODS, (False, True))])
def test_the_maps_are_those_of_the_package_grad_cam(method, attention) -> None:
    explained = network(attention=attention)
    images = films(5)
    targets = np.array([0, 1, 2, 0, 1])

    maps = explain(explained, images, targets, method=method, batch_size=2)
    expected = reference(method, explained, images, targets)

    assert maps.dtype == np.float32
    assert maps.shape == (5, SIDE // 2, SIDE // 2)
    assert maps.min() >= 0
    assert expected.max() > 0.99, "every map was empty: nothing was compared"
    assert np.abs(scaled(maps) - expected).max() <= 1e-3


def test_a_map_depends_on_its_own_film_and_target_alone() -> None:
    explained = network()
    images = films(4)

    together = explain(explained, images, np.array([0, 1, 2, 0]))
    alone = explain(explained, images[2:3], np.array([2]))

    np.testing.assert_allclose(together[2], alone[0], rtol=1e-4, atol=1e-7)
    assert not np.allclose(alone, explain(explained, images[2:3], np.array([1])))


def test_explaining_leaves_no_gradient_behind() -> None:
    explained = network()

    explain(explained, films(2), np.array([0, 1]))

    assert all(parameter.grad is None for parameter in explained.parameters())
    assert not explained.training
