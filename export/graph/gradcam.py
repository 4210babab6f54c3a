"""The gradients of Grad-CAM as a tensor program that an ONNX graph can hold, exact for non-linear heads too."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch._decomp import core_aten_decompositions
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from export.graph.scaling import FindingScaling
from schemas.errors import BundleError
from trainer.networks.network import Network

MOST_PROBABLE = -1
"""The `target` that asks for the class of the largest logit, of findings the largest ratio to their threshold."""

aten = torch.ops.aten


def select_target(logits: Tensor, target: Tensor, scaling: FindingScaling | None = None) -> Tensor:
    """One-hot rows [N, K] of the class to explain.

    Args:
        logits: [N, K].
        target: int64 [N], -1 for the most probable class. Any other value outside [0, K-1] gives a row
            of zeros and so an empty map; callers that take targets from users check them.
        scaling: of findings that are judged each by itself; None: the classes exclude one another.
    """
    ranked = logits if scaling is None else scaling.rank(logits)
    chosen = torch.where(target == MOST_PROBABLE, ranked.argmax(1), target)
    return (chosen[:, None] == torch.arange(logits.shape[1])).to(logits.dtype)


def trace_gradients(network: Network, features: Tensor, scaling: FindingScaling | None = None) -> fx.GraphModule:
    """Trace the head and its vector-Jacobian product as one program of plain tensor operations.

    torch.export cannot see through autograd, and tracing the whole network with symbolic shapes fails; the head
    alone, with fake tensors of which only N is dynamic, works (torch 2.15; the interfaces are semi-private).

    Args:
        network: in eval mode.
        features: an example, [N, C, h, w] with N > 1: sizes of 1 are taken for constants.
        scaling: see `select_target`.

    Returns:
        (features [N, C, h, w], target int64 [N]) -> (logits [N, K], gradients of the target's logit [N, C, h, w]).

    Raises:
        BundleError: the head's gradient needs an operation that ONNX has no form for.
    """

    def program(features: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        logits, pull_back = torch.func.vjp(network.head, features)[:2]
        (gradients,) = pull_back(select_target(logits, target, scaling))
        return logits, gradients

    return traced_program(program, features)


def traced_program(program: Callable[[Tensor, Tensor], tuple[Tensor, ...]], features: Tensor) -> fx.GraphModule:
    """Trace a program of a feature map and a target, of any number of films.

    Args:
        program: of features [N, C, h, w] and target int64 [N].
        features: an example, N > 1.

    Raises:
        BundleError: a gradient needs an operation that ONNX has no form for.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())

    def fake(example: Tensor) -> Tensor:
        sizes = [DimDynamic.DYNAMIC] + [DimDynamic.STATIC] * (example.dim() - 1)
        return mode.from_tensor(example, symbolic_context=StatelessSymbolicContext(dynamic_sizes=sizes))

    tracer = make_fx(program, decomposition_table=_decompositions(), _allow_non_fake_inputs=True)
    # Contiguous: other strides, which ONNX does not know, would be written down as as_strided.
    examples = fake(features.contiguous()), fake(torch.zeros(len(features), dtype=torch.int64))
    with mode:  # decompositions allocate tensors of N rows, which only the mode can do
        traced: fx.GraphModule = tracer(*examples)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    _refuse_gradients(traced)
    return traced


def _refuse_gradients(traced: fx.GraphModule) -> None:
    left = {str(node.target) for node in traced.graph.nodes if "backward" in str(node.target)}
    if left:
        msg = (
            f"the gradient of this network's head needs {', '.join(sorted(left))}, which ONNX does not have; "
            "add a decomposition next to convolution_backward in export/graph/gradcam.py"
        )
        raise BundleError(msg)


def _decompositions() -> Mapping[Any, Callable[..., Any]]:
    table = dict(core_aten_decompositions())
    del table[aten.empty_like.default]  # its decomposition (in the gradient of SiLU and Mish) has no ONNX form; it has
    table[aten.convolution_backward.default] = _convolution_backward
    table[aten.avg_pool2d_backward.default] = _average_pool_backward
    table[aten.constant_pad_nd.default] = _constant_pad
    table[aten.max_pool2d_with_indices_backward.default] = _max_pool_backward
    return table


def _convolution_backward(  # noqa: PLR0913, PLR0917 - the signature is torch's
    gradient: Tensor,
    features: Tensor,
    weight: Tensor,
    _bias_sizes: list[int] | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,  # noqa: FBT001
    _output_padding: list[int],
    groups: int,
    output_mask: list[bool],
) -> Any:
    """The gradient on a convolution's input: the transposed convolution of the gradient on its output."""
    if transposed or any(output_mask[1:]):
        return NotImplemented
    # What the stride cut off the far edge has to be put back.
    missing = [
        features.shape[axis + 2]
        - ((gradient.shape[axis + 2] - 1) * stride[axis] - 2 * padding[axis])
        - (dilation[axis] * (weight.shape[axis + 2] - 1) + 1)
        for axis in range(2)
    ]
    on_input = torch.convolution(gradient, weight, None, stride, padding, dilation, True, missing, groups)  # noqa: FBT003
    return on_input, None, None


def _average_pool_backward(  # noqa: PLR0913, PLR0917 - the signature is torch's
    gradient: Tensor,
    features: Tensor,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    ceil_mode: bool,  # noqa: FBT001
    count_include_pad: bool,  # noqa: FBT001
    divisor: int | None,
) -> Any:
    """The gradient on a mean pooling's input: that of the depthwise convolution with equal weights, which it is."""
    if ceil_mode or divisor is not None or (any(padding) and not count_include_pad):
        return NotImplemented
    channels = features.shape[1]
    height, width = (kernel_size * 2)[:2]
    weight = gradient.new_full((channels, 1, height, width), 1 / (height * width))
    sizes = [(value * 2)[:2] for value in (stride or kernel_size, padding)]
    mask = [True, False, False]
    return _convolution_backward(
        gradient,
        features,
        weight,
        None,
        sizes[0],
        sizes[1],
        [1, 1],
        False,  # noqa: FBT003 - not transposed
        [0, 0],
        channels,
        mask,
    )[0]


def _max_pool_backward(
    gradient: Tensor,
    features: Tensor,
    _kernel_size: list[int],
    _stride: list[int],
    _padding: list[int],
    _dilation: list[int],
    _ceil_mode: bool,  # noqa: FBT001
    indices: Tensor,
) -> Tensor:
    """The gradient on a pooling's input: each cell's gradient goes to the place that its maximum came from."""
    flat = torch.zeros_like(features).flatten(2)
    return flat.scatter_add(2, indices.flatten(2), gradient.flatten(2)).view_as(features)


def _constant_pad(features: Tensor, pad: list[int], value: float = 0.0) -> Tensor:
    """Padding, and cropping where it is negative, by operations that leave the number of films open.

    The operation's own rule for fake tensors takes that number for a constant (torch 2.15). TensorFlow's padding is
    uneven, so that convolutions cannot do it themselves.
    """
    for axis, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        dim = features.dim() - 1 - axis
        length = features.shape[dim] + min(before, 0) + min(after, 0)
        features = features.narrow(dim, max(-before, 0), length)
        ends = [
            [features.new_full((*features.shape[:dim], width, *features.shape[dim + 1 :]), value)] if width > 0 else []
            for width in (before, after)
        ]
        if any(ends):
            features = torch.cat([*ends[0], features, *ends[1]], dim)
    return features
