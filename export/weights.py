"""The weights of a network beside its graph, and how torch builds it again: what the service's torch backend explains."""

from safetensors.torch import save

from schemas.bundle import TorchNetwork
from schemas.errors import BundleError
from trainer.architectures import architecture
from trainer.networks import Network, TimmNetwork


def torch_network(name: str, network: Network) -> tuple[TorchNetwork, bytes]:
    """How timm alone builds a network of the table again, and a safetensors file of its weights under timm's names.

    Args:
        name: of the architecture, as the trainer knows it.
        network: built by that name.

    Raises:
        BundleError: timm alone does not build it.
    """
    row = architecture(name)
    if row.timm_name is None or type(network) is not TimmNetwork:
        msg = f"{name} is not built by timm alone, so torch could not build it again in the service; leave out --with-weights"
        raise BundleError(msg)
    described = TorchNetwork(
        timm_name=row.timm_name,
        arguments=dict(row.timm_arguments),
        cam_layer=None,  # the graph explains what forward_features gives
        mean=row.mean,
        std=row.std,
    )
    return described, save({name: value.contiguous() for name, value in network.body.state_dict().items()})
