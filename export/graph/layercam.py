"""LayerCAM in the graph: the gradients of the later part of a network, beside those of its head."""

import torch
from torch import Tensor, fx, nn

from export.graph.gradcam import select_target, traced_program
from export.graph.scaling import FindingScaling
from trainer.networks.gradcam import gradcam, gradcam_plus_plus
from trainer.networks.layercam import layercam, output_of, replaced_at
from trainer.networks.network import Network


def trace_fine_gradients(
    network: Network, layer: str, fine: Tensor, size: int, scaling: FindingScaling | None = None
) -> fx.GraphModule:
    """Trace everything after a layer, with its vector-Jacobian product, as one program of plain tensor operations.

    Args:
        network: in eval mode.
        layer: path of the module; all that comes after it depends on the film through its output alone.
        fine: an example of that output, [N, C, h, w] with N > 1.
        size: S.
        scaling: of findings that are judged each by itself.

    Returns:
        (fine [N, C, h, w], target int64 [N]) -> (features, logits [N, K], gradients of the target's logit on the
        features, and on `fine`).

    Raises:
        BundleError: a gradient needs an operation that ONNX has no form for.
    """
    film = torch.zeros(1, 1, size, size)  # what comes before the layer is computed of it, used by nobody, and dropped

    def later(output: Tensor) -> Tensor:
        with replaced_at(network, layer, output):
            return network.features(film)

    def program(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features, pull_to_layer = torch.func.vjp(later, output)[:2]
        logits, pull_to_features = torch.func.vjp(network.head, features)[:2]
        (on_features,) = pull_to_features(select_target(logits, target, scaling))
        (on_layer,) = pull_to_layer(on_features)
        return features, logits, on_features, on_layer

    return traced_program(program, fine)


class FinelyExplainedNetwork(nn.Module):
    """A network in eval mode whose forward pass also explains, at an earlier layer too; made for films of side S."""

    tail: fx.GraphModule

    def __init__(
        self, network: Network, layer: str, *, size: int, temperature: float, scaling: FindingScaling | None = None
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(requires_grad=False)
        self.layer = layer
        self.temperature = temperature
        self.scaling = scaling
        with torch.no_grad():
            fine = output_of(network, layer, torch.zeros(2, 1, size, size))
        self.tail = trace_fine_gradients(network, layer, fine, size, scaling)

    def forward(self, image: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        """Everything of `export.graph.graph.OUTPUTS` for films [N, 1, S, S] and targets [N], and the finer map."""
        fine = output_of(self.network, self.layer, image)
        features, logits, on_features, on_layer = self.tail(fine, target)
        return (
            logits,
            torch.softmax(logits / self.temperature, 1) if self.scaling is None else self.scaling(logits),
            self.network.embed(features),
            gradcam(features, on_features),
            gradcam_plus_plus(features, on_features),
            layercam(fine, on_layer),
        )
