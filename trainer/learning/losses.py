"""Loss functions: of classes that exclude one another, and of findings that are judged each by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from schemas.errors import TrainingConfigError
from trainer.learning.options import LOSSES, LearnOptions
from trainer.plugins import find_plugin

PerFilm = Callable[[Tensor, Tensor], Tensor]
"""Of logits [N, K] and labels, int64 [N] or shares of the classes float32 [N, K] (mixup), to [N].

Labels of findings are float32 [N, K]: 1 present, 0 absent, shares between them, NaN where nothing is known.
"""


@dataclass(frozen=True, slots=True)
class Loss:
    """A weighted mean over films: of several batches together what it is of them as one."""

    each: PerFilm
    """What every film costs, times its weight."""
    weight: Callable[[Tensor], Tensor]
    """Of labels: how much every film counts, [N]."""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean of one batch."""
        return self.each(logits, labels).sum() / self.weight(labels).sum()


def build_loss(options: LearnOptions, class_counts: Sequence[int], negative: int | None = None) -> Loss:
    """The loss that the options name.

    Args:
        options: which loss, and its parameters.
        class_counts: training films of each class.
        negative: index of the class that means none of the findings.

    Raises:
        TrainingConfigError: a loss that prices a missed finding, without a class that means none; one of findings; or
            a plug-in that cannot be used.

    Source: focal loss, Lin et al., ICCV 2017, arXiv:1708.02002, eq. 5; expected cost in addition to cross-entropy,
        Galdran et al., MICCAI 2020, arXiv:2010.00291.
    """
    plugin = find_plugin("loss", options.loss, LOSSES)
    if plugin is not None:
        return plugin.make(Loss, options, class_counts, negative)
    _refuse_asymmetric(options)
    counts = torch.tensor(class_counts, dtype=torch.float32)
    classes = len(counts)
    scale = counts.sum() / (classes * counts) if options.class_weights else torch.ones(classes)
    entropy = _cross_entropy(scale, options.label_smoothing)

    def weight(labels: Tensor) -> Tensor:
        return shares(labels, classes) @ scale.to(labels.device)

    if options.loss == "cross_entropy":
        return Loss(entropy, weight)
    if options.loss == "focal":
        return Loss(_focal(entropy, options.focal_gamma), _equal_weight)
    costs = _costs(classes, negative, options.missed_finding_cost)

    def expected_cost(logits: Tensor, labels: Tensor) -> Tensor:
        price = shares(labels, classes) @ costs.to(logits.device)  # [N, K], of calling each class
        return entropy(logits, labels) + weight(labels) * (price * logits.softmax(1)).sum(1)

    return Loss(expected_cost, weight)


def _refuse_asymmetric(options: LearnOptions) -> None:
    if options.loss == "asymmetric":
        msg = (
            "loss=asymmetric is of findings that are judged each by itself, and these are classes; choose another loss"
        )
        raise TrainingConfigError(msg)


def _cross_entropy(scale: Tensor, label_smoothing: float) -> PerFilm:
    def entropy(logits: Tensor, labels: Tensor) -> Tensor:
        weight = scale.to(logits.device)
        return functional.cross_entropy(
            logits, labels, weight=weight, label_smoothing=label_smoothing, reduction="none"
        )

    return entropy


def _focal(entropy: PerFilm, gamma: float) -> PerFilm:
    def focal(logits: Tensor, labels: Tensor) -> Tensor:
        truth = (shares(labels, logits.shape[1]) * logits.softmax(1)).sum(1)
        return (1 - truth) ** gamma * entropy(logits, labels)

    return focal


def _equal_weight(labels: Tensor) -> Tensor:
    return torch.ones(len(labels), device=labels.device)


def shares(labels: Tensor, classes: int) -> Tensor:
    """Labels as shares of the classes, float32 [N, K]."""
    return labels if labels.is_floating_point() else functional.one_hot(labels, classes).float()


def _costs(classes: int, negative: int | None, missed: float) -> Tensor:
    """Cost [K, K] of calling a film of one class (row) another: `missed` for a finding that is called none, else 1."""
    if negative is None:
        msg = (
            "loss=expected_cost prices a missed finding, and no class of these films means 'none'; "
            "call it normal, negative or no finding, or choose another loss"
        )
        raise TrainingConfigError(msg)
    costs = 1 - torch.eye(classes)
    costs[:, negative] *= missed
    return costs


def build_finding_loss(options: LearnOptions, labels: NDArray[np.float32]) -> Loss:
    """The loss that the options name, of findings that are judged each by itself: a mean over what is known.

    Args:
        options: which loss, and its parameters; cross_entropy is binary here.
        labels: float32 [V, K] of the training films, NaN where nothing is known.

    Raises:
        TrainingConfigError: a loss of classes that exclude one another.

    Source: asymmetric loss, Ridnik et al., ICCV 2021, arXiv:2009.14119, eq. 7, with gamma+ = 0; focal loss as above.
    """
    if options.loss not in {"cross_entropy", "focal", "asymmetric"}:
        msg = (
            f"loss={options.loss} is of classes that exclude one another, and a film may have several findings here; "
            "choose cross_entropy, focal or asymmetric"
        )
        raise TrainingConfigError(msg)
    balance = _balance(labels) if options.class_weights else torch.ones(2, labels.shape[1])

    def scale(labels: Tensor) -> Tensor:
        """How much each finding of each film counts, [N, K]; 0 where nothing is known."""
        absent, present = balance.to(labels.device)
        return torch.nan_to_num(labels * present + (1 - labels) * absent, nan=0.0)

    def each(logits: Tensor, labels: Tensor) -> Tensor:
        truth = torch.nan_to_num(labels, nan=0.0)
        smooth = truth * (1 - options.label_smoothing) + options.label_smoothing / 2
        return (scale(labels) * _finding_costs(options, logits.float(), smooth)).sum(1)

    # As for classes: what the weights of the labels add up to, but for a loss that prices films by their difficulty.
    weigh = scale if options.loss == "cross_entropy" else _known
    return Loss(each, lambda labels: weigh(labels).sum(1))


def _balance(labels: NDArray[np.float32]) -> Tensor:
    """Weights [2, K] of a finding's absence and presence: the inverse of their frequency, 1 on average over films."""
    known = (~np.isnan(labels)).sum(axis=0)
    present = np.nansum(labels, axis=0)
    return torch.from_numpy((known / (2 * np.stack([known - present, present]))).astype(np.float32))


def _known(labels: Tensor) -> Tensor:
    return (~labels.isnan()).to(labels.dtype)


def _finding_costs(options: LearnOptions, logits: Tensor, truth: Tensor) -> Tensor:
    """What each finding of each film costs, [N, K], before its weight."""
    present = -functional.logsigmoid(logits)
    absent = -functional.logsigmoid(-logits)
    if options.loss == "focal":
        probability = logits.sigmoid()
        right = truth * probability + (1 - truth) * (1 - probability)
        return (1 - right) ** options.focal_gamma * (truth * present + (1 - truth) * absent)
    if options.loss == "asymmetric":
        # An absent finding counts less the surer its absence is, and nothing below the margin.
        shifted = (logits.sigmoid() - options.asymmetric_margin).clamp_min(0)
        absent = shifted**options.asymmetric_gamma * -torch.log1p(-shifted.clamp_max(1 - 1e-6))
    return truth * present + (1 - truth) * absent
