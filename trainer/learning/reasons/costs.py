"""What a network pays for looking at the wrong place, and for an answer that depends on the background."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from trainer.networks.gradcam import gradcam

_NO_HEAT = 1e-8
"""Below it a map is empty: nothing speaks for the finding, and there is nothing to move."""


def misplaced_heat(head: Callable[[Tensor], Tensor], features: Tensor, explained: Tensor, evidence: Tensor) -> Tensor:
    """The share of the Grad-CAM heat that lies beside the evidence, [N] in [0, 1], differentiable.

    A cell of the map counts as evidence by the share of the mask that covers it, relative to the best covered cell.

    Args:
        head: of the network in training mode, from feature maps to logits.
        features: feature maps [N, C, h, w].
        explained: float32 [N, K], the weight of each logit in the score whose heat it is.
        evidence: float32 [N, S, S], 1 where the heat belongs.

    Source: the energy loss of Rao et al., ICCV 2023, arXiv:2303.11932; in the manner of Ross et al., IJCAI 2017,
        arXiv:1703.03717.
    """
    if not features.requires_grad:  # a frozen body: the head alone can move the heat
        features = features.detach().requires_grad_()
    scores = (head(features) * explained).sum()
    (gradients,) = torch.autograd.grad(scores, features, create_graph=True)
    heat = gradcam(features, gradients)
    cover = functional.adaptive_avg_pool2d(evidence[:, None], (heat.shape[1], heat.shape[2]))[:, 0]
    cover = cover / cover.amax((1, 2), keepdim=True).clamp_min(_NO_HEAT)
    total = heat.sum((1, 2))
    beside = 1 - (heat * cover).sum((1, 2)) / total.clamp_min(_NO_HEAT)
    return torch.where(total > _NO_HEAT, beside, torch.zeros_like(beside))


def divergence(logits: Tensor, others: Tensor, *, alone: bool) -> Tensor:
    """Jensen-Shannon divergence [N], in nats, between two answers to the same films, logits [N, K] both.

    Args:
        logits: of the films.
        others: of the films on another background.
        alone: each class is a finding that is judged by itself; the mean over the findings counts.

    Source: Hendrycks et al., AugMix, ICLR 2020, arXiv:1912.02781, with two answers instead of three.
    """
    first, second = (_log_probabilities(each.float(), alone=alone) for each in (logits, others))
    middle = torch.logaddexp(first, second) - math.log(2)
    both = torch.stack([(each.exp() * (each - middle)).sum(-1) for each in (first, second)]).mean(0)
    return both.mean(-1) if alone else both


def _log_probabilities(logits: Tensor, *, alone: bool) -> Tensor:
    """[N, K] of classes that exclude one another, [N, K, 2] of present and absent findings."""
    if alone:
        return torch.stack([functional.logsigmoid(logits), functional.logsigmoid(-logits)], dim=-1)
    return functional.log_softmax(logits, -1)
