"""Pretrained weights for a network: from timm's hub, from a file, or none, always with a record of the source."""

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bundle.files import sha256_of
from schemas.errors import WeightsError
from trainer.networks.network import Network, TimmNetwork

NONE, HUB = "none", "hub"
_SHOWN = 10
_GUIDE, _BEHIND = "guide.", "network."  # prefixes of a trial's weights, see `trainer.networks.lungs.guided`
_COUNTER = "num_batches_tracked"  # no weight; files store it in several shapes or not at all


def load_pretrained(network: Network, source: str) -> str:
    """Put pretrained weights into `network`; the last linear layer keeps its own where the class count differs.

    Args:
        network: changed in place.
        source: 'none', 'hub' (timm's; a network that is not timm's has none there), or a file:
            .safetensors, .pth or .pt with a state dict of timm's names, or of a trial of ours.

    Returns:
        The source and its SHA-256, or 'none', for the record.

    Raises:
        WeightsError: the file or hub cannot be read, or its keys do not fit the network.
    """
    if source == NONE or (source == HUB and not isinstance(network, TimmNetwork)):
        return NONE
    if source == HUB:
        tensors, origin = _from_hub(cast("TimmNetwork", network))
    else:
        path = Path(source)
        tensors = read_weights(path)
        origin = f"{path.name} sha256:{sha256_of(path)}"
    _fit(network, tensors, origin.split(" ", maxsplit=1)[0])
    return origin


def require_files(sources: Iterable[str]) -> None:
    """Check that the files among `sources` are there: a mistyped name should not cost the hours of other trials.

    Raises:
        WeightsError: one is not.
    """
    for source in sources:
        if source not in {NONE, HUB} and not Path(source).is_file():
            msg = f"the weights {Path(source).name} cannot be read: there is no such file; correct --weights"
            raise WeightsError(msg)


def _from_hub(network: TimmNetwork) -> tuple[dict[str, Tensor], str]:
    name = network.timm_name
    try:
        state = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # the hub's client raises errors of four libraries; each means "not to be had"
        msg = f"timm's hub gave no weights for {name}: {type(error).__name__}; give --weights FILE, or 'none'"
        raise WeightsError(msg) from error
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode() + state[key].numpy().tobytes())
    return state, f"timm:{name} tensors-sha256:{digest.hexdigest()}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name, from a .safetensors, .pth or .pt file.

    Raises:
        WeightsError: the file cannot be read, or holds something else.
    """
    if path.suffix not in {".safetensors", ".pth", ".pt"}:
        msg = (
            f"weights of the kind {path.suffix!r} are not read; give 'none', 'hub', or a .safetensors, .pth or .pt file"
        )
        raise WeightsError(msg)
    try:
        if path.suffix == ".safetensors":
            loaded: Any = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a file that is not a checkpoint is reported below, once
                loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        msg = f"the weights {path.name} cannot be read: {error}"
        raise WeightsError(msg) from error
    except Exception as error:  # pickle.UnpicklingError and kin: torch's refusal of anything but tensors
        msg = f"the weights {path.name} hold more than tensors and are not opened ({type(error).__name__})"
        raise WeightsError(msg) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        msg = f"the weights {path.name} are not a state dict of named tensors"
        raise WeightsError(msg)
    return dict(loaded)


def _fit(network: Network, tensors: Mapping[str, Tensor], name: str) -> None:
    """Load tensors strictly, but for a last linear layer of another class count."""
    target: nn.Module = network.body if isinstance(network, TimmNetwork) else network
    own = target.state_dict()
    classifier = next(path for path, module in target.named_modules() if module is network.classifier)
    optional = {f"{classifier}.weight", f"{classifier}.bias"}
    state = {}
    for key, value in behind_guide(tensors).items():
        plain = key.removeprefix("body.")  # a trial of ours stores timm's network under this name
        other_head = plain in optional and plain in own and value.shape != own[plain].shape
        if not other_head and not plain.startswith(network.replaced_weights) and not plain.endswith(_COUNTER):
            state[plain] = value.float() if value.is_floating_point() else value
    missing = [key for key in own if key not in state and key not in optional and not key.endswith(_COUNTER)]
    unexpected = [key for key in state if key not in own]
    misshaped = [
        f"{key} {tuple(value.shape)}, not {tuple(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    if missing or unexpected or misshaped:
        lists = (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped))
        faults = "; ".join(f"{len(keys)} {kind}: {', '.join(keys[:_SHOWN])}" for kind, keys in lists if keys)
        msg = f"the weights {name} do not fit this network: {faults}; choose the architecture that they were saved from"
        raise WeightsError(msg)
    target.load_state_dict(state, strict=False)


def behind_guide(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights of the network behind a guide, where these are a trial's that has one; else all of them."""
    if not any(key.startswith(_GUIDE) for key in tensors):
        return tensors
    return {key.removeprefix(_BEHIND): value for key, value in tensors.items() if key.startswith(_BEHIND)}


def _is_identity(norm: nn.BatchNorm2d) -> bool:
    mean = norm.running_mean
    variance = norm.running_var
    if mean is None or variance is None:
        return False
    ones = torch.ones_like(variance)
    return bool(
        not mean.any()
        and torch.allclose(variance, ones - norm.eps, atol=1e-5)
        and torch.allclose(norm.weight, ones, atol=1e-5)
    )


@torch.no_grad()
def restore_batch_norm(network: Network, films: NDArray[np.float32], *, batch_size: int = 32) -> int:
    """Give batch norms that were folded into their convolutions the statistics of `films`; the eval output stays.

    Each identity norm gets mean m and variance v of its input as running statistics, sqrt(v + eps)
    as weight and m more bias. As no norm's output changes, the inputs of all can be measured in one pass.

    Args:
        network: changed in place; back in train mode afterwards.
        films: float32 [V, 1, S, S], prepared training films.
        batch_size: films a forward pass.

    Returns:
        How many norms were restored: 0 when the weights were not folded.
    """
    norms = [norm for norm in network.modules() if isinstance(norm, nn.BatchNorm2d) and _is_identity(norm)]
    for norm, (count, total, squares) in _input_sums(network, norms, films, batch_size).items():
        if count[0] == 0:
            continue
        mean = total / count
        variance = (squares / count - mean.square()).clamp_min(0)
        cast("Tensor", norm.running_mean).copy_(mean)
        cast("Tensor", norm.running_var).copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean.float())
    network.train()
    return len(norms)


def _input_sums(
    network: Network, norms: Sequence[nn.BatchNorm2d], films: NDArray[np.float32], batch_size: int
) -> dict[nn.BatchNorm2d, Tensor]:
    """Count, sum and sum of squares of each norm's input, by channel, [3, C]; the network is left in eval mode."""
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double()  # [N, C, h, w]
        count = torch.full((values.shape[1],), values.numel() / values.shape[1], dtype=torch.float64)
        sums[cast("nn.BatchNorm2d", norm)] += torch.stack(
            [count, values.sum((0, 2, 3)), values.square().sum((0, 2, 3))]
        )

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    network.eval()
    for start in range(0, len(films) if norms else 0, batch_size):
        network(torch.from_numpy(np.ascontiguousarray(films[start : start + batch_size])))
    for hook in hooks:
        hook.remove()
    return sums
