"""Probabilities of findings that are judged each by itself, as tensors: in the graph, and in torch beside it."""

from typing import cast

import torch
from torch import Tensor, nn

from schemas.model.trial import CalibratedNetwork


class FindingScaling(nn.Module):
    """The sigmoid of each scaled logit, and how far each finding is above its threshold."""

    slope: Tensor  # [K]
    offset: Tensor  # [K]
    threshold: Tensor  # [K], above 0

    def __init__(self, slope: Tensor, offset: Tensor, threshold: Tensor) -> None:
        super().__init__()
        self.register_buffer("slope", slope)
        self.register_buffer("offset", offset)
        self.register_buffer("threshold", threshold.clamp_min(torch.finfo(threshold.dtype).tiny))

    @classmethod
    def of(cls, record: CalibratedNetwork) -> "FindingScaling | None":
        """What validation decided; None: the classes exclude one another."""
        scaling = record.calibration.scaling
        if scaling is None:
            return None
        thresholds = {point.finding: point.threshold for point in record.calibration.operating_points}
        rows = [(scaling[name].slope, scaling[name].offset, thresholds[name]) for name in record.classes]
        return cls(*torch.tensor(rows, dtype=torch.float32).T.contiguous())

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrated probabilities [N, K] of logits [N, K]."""
        return torch.sigmoid(logits * self.slope + self.offset)

    def rank(self, logits: Tensor) -> Tensor:
        """The ratio of each probability to its threshold, [N, K]: the largest is the label, and what is explained."""
        return cast("Tensor", self(logits)) / self.threshold
