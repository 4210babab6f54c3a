"""A network that learns from networks: from what their mean says of the very film that it sees (distillation)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.config import RunConfig
from trainer.films.dataset import DataRecord
from trainer.learning.device import make_fabric
from trainer.learning.loader import Batch
from trainer.learning.losses import shares
from trainer.networks.network import Network
from trainer.trials.ancestry import require_equal
from trainer.trials.trial import TrainedTrial, load_trial


@dataclass(frozen=True, slots=True)
class Teachers:
    """Trained networks whose mean probabilities take the place of a share of the label.

    They see each film as the pupil sees it, augmented: their opinion of the plain film would be wrong about what the
    augmentation hides. Source: Hinton et al., arXiv:1503.02531; Beyer et al., CVPR 2022, arXiv:2106.05237.
    """

    networks: Sequence[Network]
    share: float
    device: torch.device

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        """The films of a batch, with labels float32 [N, K]: the truth, and `share` of what the teachers say."""
        images, labels = batch
        logits = torch.stack([network(images.to(self.device)) for network in self.networks])  # [T, N, K]
        opinion = logits.float().softmax(2).mean(0).cpu()
        return images, (1 - self.share) * shares(labels, opinion.shape[1]) + self.share * opinion


def find_teachers(config: RunConfig, data: DataRecord) -> Teachers | None:
    """The teachers that the config names; None where it names none.

    Raises:
        TrainingConfigError: a teacher tells other classes, sees films prepared otherwise, or was trained on another
            split, in which films that validate the pupil may have taught it.
        TrainingDataError: a folder is no trial that has ended.
    """
    if not config.teachers:
        return None
    device = make_fabric(config).device
    trials = [load_trial(Path(directory)) for directory in config.teachers]
    for trial in trials:
        _require_fit(trial, config, data)
    return Teachers([trial.network.to(device) for trial in trials], config.teachers_share, device)


def _require_fit(trial: TrainedTrial, config: RunConfig, data: DataRecord) -> None:
    record = trial.record
    for name in config.archs:
        ours = {
            "classes": data.classes,
            "films prepared": config.preprocess(name),
            "split": data.split_sha256,
            "fold": None,
        }
        theirs = {
            "classes": record.classes,
            "films prepared": record.preprocess,
            "split": record.provenance.split_sha256,
            "fold": record.fold,
        }
        require_equal(
            f"{trial.directory.name} cannot teach {name}",
            theirs,
            ours,
            "train it on the same data, split and size first",
        )
