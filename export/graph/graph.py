"""A trained network with its explanations as one ONNX graph of `schemas.model.manifest.GraphContract`."""

from collections.abc import Mapping

import onnx
import torch
from torch import Tensor, fx, nn

from export.graph.gradcam import trace_gradients
from export.graph.layercam import FinelyExplainedNetwork
from export.graph.scaling import FindingScaling
from schemas.errors import BundleError
from trainer.networks.gradcam import gradcam, gradcam_plus_plus
from trainer.networks.layercam import FINEST_CELLS, fine_layer
from trainer.networks.lungs.guided import GuidedNetwork, on_view
from trainer.networks.network import Network

OPSET = 20
INPUTS = ("image", "target")
OUTPUTS = ("logits", "probabilities", "embedding", "gradcam", "gradcam_plus_plus")
GUIDE_OUTPUTS = ("lungs", "traits")
"""Of a network behind a guide, after the others."""
FINE_OUTPUTS = (*OUTPUTS, "layercam")


class ExplainedNetwork(nn.Module):
    """A network in eval mode whose forward pass also explains; made for films of one side S."""

    head: fx.GraphModule

    def __init__(
        self, network: Network, *, size: int, temperature: float, scaling: FindingScaling | None = None
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(requires_grad=False)
        self.temperature = temperature
        self.scaling = scaling
        with torch.no_grad():
            features = network.features(torch.zeros(2, 1, size, size))
        self.head = trace_gradients(network.learner, features, scaling)

    def forward(self, image: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        """All of `OUTPUTS` (and `GUIDE_OUTPUTS`) for films float32 [N, 1, S, S] in [0, 1] and targets int64 [N]."""
        if isinstance(self.network, GuidedNetwork):
            view = self.network.view(image)
            *answers, cam, cam_plus_plus = self._explained(view.image, target)
            sight = view.sight
            cam, cam_plus_plus = on_view(cam, view), on_view(cam_plus_plus, view)
            seen = (sight.lungs.sigmoid(), self.network.guide.probabilities(sight.traits))
            return (*answers, cam, cam_plus_plus, *seen)
        return self._explained(image, target)

    def _explained(self, image: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        """Everything of `OUTPUTS` for what the network that learned sees."""
        features = self.network.learner.features(image)
        logits, gradients = self.head(features, target)
        return (
            logits,
            torch.softmax(logits / self.temperature, 1) if self.scaling is None else self.scaling(logits),
            self.network.embed(features),
            gradcam(features, gradients),
            gradcam_plus_plus(features, gradients),
        )


def export_graph(  # noqa: PLR0913 - one graph, its calibration and its two options
    network: Network,
    *,
    size: int,
    temperature: float,
    scaling: FindingScaling | None = None,
    metadata: Mapping[str, str] | None = None,
    finer_maps: bool = False,
) -> onnx.ModelProto:
    """The ONNX graph of a network, weights inside, N dynamic.

    Args:
        network: on the CPU; it is left in eval mode, without gradients.
        size: S.
        temperature: probabilities = softmax(logits / temperature).
        scaling: of findings that are judged each by itself, in place of the temperature.
        metadata: what a client must know that has nothing but this file.
        finer_maps: add LayerCAM at an earlier layer, whose gradients take time.

    Raises:
        BundleError: a gradient has no ONNX form, or no layer of the network has finer maps.
    """
    made = _finely_explained if finer_maps else ExplainedNetwork
    module = made(network, size=size, temperature=temperature, scaling=scaling).eval()
    program = torch.onnx.export(
        module,
        (torch.zeros(2, 1, size, size), torch.zeros(2, dtype=torch.int64)),
        input_names=INPUTS,
        output_names=_outputs(network, finer_maps=finer_maps),
        # Named once: the exporter finds that the two are equal, and warns of a second name.
        dynamic_shapes=({0: torch.export.Dim("N")}, {0: torch.export.Dim.AUTO}),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # noqa: S101 - torch returns None only when it writes a file
    graph = program.model_proto
    _forget_origin(graph)
    onnx.helper.set_model_props(graph, dict(metadata or {}))
    return graph


def _outputs(network: Network, *, finer_maps: bool) -> tuple[str, ...]:
    seen = GUIDE_OUTPUTS if isinstance(network, GuidedNetwork) else ()
    return (*(FINE_OUTPUTS if finer_maps else OUTPUTS), *seen)


def _finely_explained(
    network: Network, *, size: int, temperature: float, scaling: FindingScaling | None = None
) -> nn.Module:
    if isinstance(network, GuidedNetwork):
        msg = "the maps of a network behind a guide have 32 x 32 cells already; export it without --finer-maps"
        raise BundleError(msg)
    layer = fine_layer(network, size)
    if layer is None:
        msg = (
            f"no layer of this network has a map of {FINEST_CELLS} x {FINEST_CELLS} cells at {size} x {size} pixels; "
            "train it at a larger size, or export it without --finer-maps"
        )
        raise BundleError(msg)
    return FinelyExplainedNetwork(network, layer, size=size, temperature=temperature, scaling=scaling)


def _forget_origin(graph: onnx.ModelProto) -> None:
    """Drop the stack traces that torch leaves in every node: they name the exporting machine's folders."""
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.graph.ClearField("metadata_props")
