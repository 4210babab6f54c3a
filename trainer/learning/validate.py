"""What validation says of a network that learns."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from biostatistics.metrics import findings_auroc, macro_auroc
from trainer.learning.learner import FitPlan, Learner
from trainer.networks.inference import outputs


def validate(learner: Learner, plan: FitPlan, batch_size: int) -> tuple[float, float]:
    """Cross-entropy and AUROC of the validation films, the same bits in each process."""
    labels = plan.validation.labels
    logits = _logits(learner, plan.validation.films, batch_size)
    if plan.validation.alone:
        known = ~np.isnan(labels)
        entropy = functional.binary_cross_entropy_with_logits(logits[known], torch.from_numpy(labels[known]))
        return float(entropy), float(findings_auroc(labels, logits.double().numpy()))
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    return float(loss), float(macro_auroc(labels, logits.double().softmax(1).numpy()))


def _logits(learner: Learner, films: NDArray[np.float32], size: int) -> Tensor:
    """Logits [V, K]: each process computes whole batches, so that the bits do not depend on how many they are."""
    starts = range(0, len(films), size)
    own = {
        start: outputs(learner.evaluated, films[start : start + size], batch_size=size)[0]
        for start in learner.together.share(starts)
    }
    found = {start: part for parts in learner.together.gathered(own) for start, part in parts.items()}
    return torch.cat([found[start] for start in starts])
