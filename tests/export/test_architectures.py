"""Every architecture is exported once, and what its graph gives is that of the network and of the package grad-cam."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bundle.session import Session
from export.gates.parity import BATCHES, check_parity, reference_outputs
from export.graph.graph import OUTPUTS, export_graph
from schemas.model.calibration import OperatingPoint
from schemas.model.trial import TrialRecord
from tests.architectures import EACH_KIND_OF_ARCHITECTURE
from tests.export.untrained import TEMPERATURE, UntrainedTrial, phantoms, settled
from trainer.networks.architectures import ARCHITECTURES
from trainer.networks.build import build_network
from trainer.networks.gradcam import gradcam
from trainer.networks.network import Network

CLASSES = ("NORMAL", "PNEUMONIA", "TUBERCULOSIS")
METHODS = {"gradcam": "GradCAM", "gradcam_plus_plus": "GradCAMPlusPlus"}
TARGETS = ([-1], [2], [-1, -1, -1], [0, 1, 2])
FINE_MAPS = {"vgg16", "vgg16_bn"}
"""Networks of timm whose map of a film of 64 pixels has 4 x 4 values, as those of our own; the others' has 2 x 2."""

GRADIENT_BY_CELL = {
    "cnn_attention": "the attention gate multiplies each cell by a weight of its own, which has a gradient, too",
    "vgg16": "max pooling hands the gradient to the largest of four cells and nothing to the other three",
    "vgg16_bn": "max pooling, as in vgg16",
}
"""Architectures whose heads treat the cells of the feature map differently, so that Grad-CAM is not HiResCAM, and why.

Behind mean pooling every cell has the same gradient, whatever follows it: a dense layer with ReLU (`cnn4`), a
convolution with hard-swish (`mobilenetv3_large_100`), layer norm (`convnext_tiny`).
"""


@dataclass(frozen=True)
class Exported:
    """A network, and the graph that was exported from it."""

    name: str
    network: Network
    graph: bytes
    side: int


@pytest.fixture(scope="module", params=EACH_KIND_OF_ARCHITECTURE)
def exported(request: pytest.FixtureRequest) -> Exported:
    """Of three classes, with random weights."""
    name = request.param
    side = 64 if ARCHITECTURES[name].timm_name is None or name in FINE_MAPS else 96
    torch.manual_seed(0)
    network = settled(build_network(name, classes=len(CLASSES), size=side), phantoms(8, side))
    graph = export_graph(network, size=side, temperature=TEMPERATURE)
    return Exported(name, network, graph.SerializeToString(), side)


def of_three_classes(record: TrialRecord, probabilities: NDArray[np.float32]) -> TrialRecord:
    """The record with a finding more, and the thresholds of both between the two films in the middle."""
    (point,) = record.calibration.operating_points
    points: list[OperatingPoint] = []
    for index, finding in enumerate(CLASSES[1:], start=1):
        lower, upper = np.sort(probabilities[:, index])[len(probabilities) // 2 - 1 :][:2]
        points.append(point.model_copy(update={"finding": finding, "threshold": float(lower + upper) / 2}))
    calibration = record.calibration.model_copy(update={"operating_points": tuple(points)})
    return record.model_copy(update={"classes": CLASSES, "calibration": calibration})


@pytest.mark.slow
def test_every_architecture_exports_and_passes_the_gate(exported: Exported, trial: UntrainedTrial) -> None:
    films = phantoms(32, exported.side)
    outputs = reference_outputs(exported.network, films, np.zeros(32, np.int64), TEMPERATURE)
    record = of_three_classes(trial.record, outputs["probabilities"])

    report = check_parity(exported.network, Session(exported.graph).run, record, films, np.arange(32) % 3)

    assert {(row.output, row.batch) for row in report.rows} == {(name, size) for name in OUTPUTS for size in BATCHES}
    assert report.auroc is not None


def test_the_maps_of_the_graph_are_those_of_the_package_grad_cam(exported: Exported) -> None:
    films = phantoms(3, exported.side)
    graph = Session(exported.graph, intra_op_threads=1)
    exported.network.requires_grad_(requires_grad=True)  # the package differentiates the whole network

    strongest = 0.0
    for target, (output, method) in product(TARGETS, METHODS.items()):
        batch = films[: len(target)]
        maps = graph.run(batch, np.array(target))[output]
        expected = by_the_package(method, exported.network, batch, target)
        strongest = max(strongest, float(expected.max()))

        assert maps.min() >= 0
        assert np.abs(scaled(maps, exported.side) - expected).max() <= 1e-3, (output, target)
    assert strongest > 0.99, "every map was empty: nothing was compared"


@pytest.mark.parametrize("finding", range(len(CLASSES)))
def test_grad_cam_is_hirescam_unless_the_head_tells_cells_apart(exported: Exported, finding: int) -> None:
    """Draelos and Carin, arXiv:2011.08891: where both agree, the map sums to what the cells add to the logit."""
    films = torch.from_numpy(phantoms(6, exported.side))
    with torch.no_grad():
        features = exported.network.features(films)
    features.requires_grad_()
    (gradients,) = torch.autograd.grad(exported.network.head(features)[:, finding].sum(), features)
    hirescam = (features * gradients).sum(1).relu().detach()
    maps = gradcam(features, gradients).detach()
    apart = float((maps - hirescam).abs().max() / hirescam.abs().max())

    assert hirescam.max() > 0
    if exported.name in GRADIENT_BY_CELL:
        assert apart > 0.01, GRADIENT_BY_CELL[exported.name]
        assert float(gradients.std((2, 3)).max()) > 0
    else:
        assert apart < 1e-4


def by_the_package(method: str, network: Network, films: NDArray[np.float32], target: list[int]) -> NDArray[np.float32]:
    """The package's map [N, S, S] in [0, 1], from the layer that `cam_layer` names."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(index) for index in target]
    with getattr(pytorch_grad_cam, method)(network, [network.get_submodule(network.cam_layer)]) as explainer:
        return explainer(torch.from_numpy(films), targets=None if target[0] == -1 else targets)


def scaled(maps: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """As the package does it: to [0, 1] film by film, enlarged, and once more to [0, 1]."""

    def unit(map_: NDArray[Any]) -> NDArray[Any]:
        map_ = map_ - map_.min()
        return map_ / (1e-7 + map_.max())

    return np.stack([unit(unit_map) for unit_map in (cv2.resize(unit(map_), (side, side)) for map_ in maps)])
