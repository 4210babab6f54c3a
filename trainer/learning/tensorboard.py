"""The curves of a trial as TensorBoard event files."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict

from trainer.folder import TrialFolder
from trainer.learning.history import EpochRecord

_CURVES = ("lr", "lowest_lr", "train_loss", "val_loss", "val_auroc", "films_per_second", "learning_parameters")


def write_events(folder: TrialFolder, history: Sequence[EpochRecord]) -> None:
    """Write the events of a trial from its whole history, so that a trial that was killed has no epoch twice.

    Args:
        folder: of the trial; receives `events/`.
        history: every epoch done.
    """
    # Imported here: it takes a second, which commands that train nothing should not pay.
    from torch.utils.tensorboard.writer import SummaryWriter  # noqa: PLC0415

    fresh = folder.unfinished_events
    shutil.rmtree(fresh, ignore_errors=True)
    with SummaryWriter(str(fresh)) as writer:
        for record in history:
            values = asdict(record)
            for name in _CURVES:
                writer.add_scalar(name, values[name], record.epoch + 1)
    shutil.rmtree(folder.events, ignore_errors=True)
    fresh.rename(folder.events)
