"""Distillation: a network learns from the mean answer of other networks to the very film that it is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from schemas.model.trial import TrialRecord
from trainer.films.dataset import Dataset
from trainer.folder import TrialFolder
from trainer.learning.loader import Batch
from trainer.learning.losses import shares
from trainer.learning.options import LearnOptions
from trainer.networks.device import make_fabric
from trainer.networks.network import Network
from trainer.networks.options import NetworkOptions
from trainer.trials.ancestry import require_equal
from trainer.trials.trial import load_network


@dataclass(frozen=True, slots=True)
class Teachers:
    """Trained networks whose mean probabilities take the place of a share of the label.

    They see each film as the pupil sees it, augmented: their opinion of the plain film would be wrong about what the
    augmentation hides. Source: Hinton et al., arXiv:1503.02531; Beyer et al., CVPR 2022, arXiv:2106.05237.
    """

    networks: Sequence[Network]
    share: float
    device: torch.device
    alone: bool = False
    """Whether each class is a finding that is judged by itself."""

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        """The films of a batch, with labels float32 [N, K]: the truth, and a share of the teachers' probabilities.

        A finding of which nothing is known stays unknown.
        """
        logits = torch.stack([network(batch.images.to(self.device)) for network in self.networks])  # [T, N, K]
        each = logits.float().sigmoid() if self.alone else logits.float().softmax(2)
        opinion = each.mean(0).cpu()
        labels = (1 - self.share) * shares(batch.labels, opinion.shape[1]) + self.share * opinion
        return batch._replace(labels=labels)


def find_teachers(learn: LearnOptions, networks: NetworkOptions, dataset: Dataset) -> Teachers | None:
    """The teachers that the config names; None where it names none.

    Args:
        learn: the folders of the teachers, and how much they count.
        networks: the networks that learn from them.
        dataset: of the run.

    Raises:
        TrainingConfigError: a teacher has other classes, sees films prepared otherwise, or was trained on another
            split, in which films that validate the pupil may have taught it.
        TrainingDataError: a folder is not a trial that has ended.
    """
    if not learn.teachers:
        return None
    device = make_fabric(learn.device, learn.precision).device
    folders = [TrialFolder(Path(directory)) for directory in learn.teachers]
    trained = [load_network(folder) for folder in folders]
    for folder, (record, _) in zip(folders, trained, strict=True):
        _require_fit(folder, record, networks, dataset)
    teachers = [network.to(device) for _, network in trained]
    return Teachers(teachers, learn.teachers_share, device, dataset.task.alone)


def _require_fit(folder: TrialFolder, record: TrialRecord, networks: NetworkOptions, dataset: Dataset) -> None:
    theirs = {
        "classes": record.classes,
        "activation": record.activation,
        "films prepared": record.preprocess,
        "split": record.provenance.split_sha256,
        "fold": record.fold,
    }
    for name in networks.archs:
        ours = {
            "classes": dataset.record.classes,
            "activation": dataset.task.activation,
            "films prepared": networks.preprocess(name),
            "split": dataset.record.split_sha256,
            "fold": None,
        }
        remedy = "train it on the same data, split and size first"
        require_equal(f"{folder.name} cannot teach {name}", theirs, ours, remedy)
