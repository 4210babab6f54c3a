"""The weights of a network of timm, read back from an exported graph: for a bundle that ships without them."""

from typing import Any

import onnx
import timm
import torch
from onnx import numpy_helper
from torch import nn

from schemas.model.torch_network import TorchNetwork


def unfolded(model: onnx.ModelProto, described: TorchNetwork, *, classes: int, side: int) -> nn.Module | None:
    """The network, in eval mode; None where it is not one of convolutions, each with a batch norm, and a linear head.

    The exporter folds a batch norm into the convolution before it. Here the convolution gets the folded weight and
    the norm after it what is left: the folded bias, and statistics that change nothing.
    """
    arguments: Any = described.arguments
    body = timm.create_model(described.timm_name, num_classes=classes, **arguments).eval()
    constants = {entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in {"Conv", "Gemm"} and len(node.input) > 2]
    folded = {node.input[1]: constants[node.input[2]] for node in nodes}
    head = next((node for node in nodes if "logits" in node.output), None)
    met = _in_order(body, side)
    convolutions = [(name, layer) for name, layer in met if isinstance(layer, nn.Conv2d)]
    norms = [layer for _, layer in met if isinstance(layer, nn.BatchNorm2d)]
    weights = [f"network.body.{name}.weight" for name, _ in convolutions]
    kinds = [type(layer) for _, layer in met]
    alternating = kinds[-1] is nn.Linear and len(norms) == len(convolutions) == len(kinds) // 2
    if head is None or not alternating or not folded.keys() >= set(weights):
        return None
    for weight, (_, convolution), norm in zip(weights, convolutions, norms, strict=True):
        convolution.weight.data = constants[weight]
        norm.bias.data = folded[weight]
        norm.weight.data.fill_(1)
        norm.running_mean.fill_(0)
        norm.running_var.fill_(1 - norm.eps)
    classifier: Any = body.get_classifier()
    classifier.weight.data = constants[head.input[1]].T
    classifier.bias.data = folded[head.input[1]]
    return body


def _in_order(body: nn.Module, side: int) -> list[tuple[str, nn.Module]]:
    """The layers that hold weights, as a film meets them."""
    met = []
    for name, layer in body.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            layer.register_forward_hook(lambda module, _, __, name=name: met.append((name, module)))
    with torch.no_grad():
        body(torch.zeros(1, 3, side, side))
    return met
