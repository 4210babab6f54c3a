"""The weights of a network and how torch builds it again, for the torch backend of the service."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from bundle.golden import largest_difference
from bundle.session import first_line
from schemas.errors import BundleError
from schemas.model.manifest import GOLDEN_TOLERANCE
from schemas.model.torch_network import TorchNetwork
from trainer.networks.architectures import architecture
from trainer.networks.designs import TimmDesign
from trainer.networks.layercam import fine_layer
from trainer.networks.network import Network, TimmNetwork


def torch_network(name: str, network: Network, size: int) -> tuple[TorchNetwork, bytes]:
    """How timm alone builds a network of the table again, and a safetensors file of its weights under timm's names.

    Args:
        name: of the architecture, as the trainer knows it.
        network: built by that name.
        size: S.

    Raises:
        BundleError: timm alone does not build it.
    """
    if type(network) is not TimmNetwork or (row := architecture(name)).timm_name is None:
        msg = (
            f"{name} is not built by timm alone, so torch could not build it again in the service; leave out "
            "--with-weights"
        )
        raise BundleError(msg)
    described = TorchNetwork(
        timm_name=network.timm_name,
        arguments=dict(row.timm_arguments),
        cam_layer=None,  # the graph explains what forward_features gives
        fine_layer=_inside_timm(network, size),
        mean=row.mean,
        std=row.std,
    )
    return described, save({name: value.contiguous() for name, value in network.body.state_dict().items()})


def _inside_timm(network: TimmNetwork, size: int) -> str | None:
    """The path of its fine layer inside timm's network."""
    layer = fine_layer(network, size)
    return None if layer is None or layer == network.cam_layer else layer.removeprefix("body.")


def checked_weights(
    described: TorchNetwork, path: Path, films: NDArray[np.float32], logits: NDArray[np.float32]
) -> bytes:
    """The content of a safetensors file, once the described network with its weights has given the graph's logits.

    Args:
        described: the network.
        path: of the file.
        films: [V, 1, S, S].
        logits: [V, K], the graph's outputs for them.

    Raises:
        BundleError: the file does not fit the network, or the network is not that of the graph.
    """
    try:
        network = _rebuilt(described, path, classes=logits.shape[1])
        with torch.no_grad():
            actual = network(torch.from_numpy(films)).numpy()
    except (RuntimeError, AttributeError, TypeError, OSError, SafetensorError) as error:
        msg = (
            f"{path.name} does not fit the network {described.timm_name}: {first_line(error)}; correct --timm, "
            "--weights or --cam-layer"
        )
        raise BundleError(msg) from error
    worst = largest_difference(actual, logits)
    tolerance = GOLDEN_TOLERANCE * float(np.abs(logits).max())
    if not worst <= tolerance:  # so that NaN is refused
        msg = (
            f"{path.name} are not the weights of the graph: torch's logits of the golden films are off by {worst:.3g}, "
            f"at most {tolerance:.3g} is accepted; give the weights, --mean and --std of the graph"
        )
        raise BundleError(msg)
    return path.read_bytes()


def _rebuilt(described: TorchNetwork, path: Path, *, classes: int) -> TimmNetwork:
    design = TimmDesign(described.timm_name, described.arguments, "", described.mean, described.std)
    network = TimmNetwork(classes, 0.0, design).eval()
    network.body.get_submodule(described.cam_layer or "")
    network.body.load_state_dict(load_file(path))
    return network
