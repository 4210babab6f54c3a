"""The epochs of a fit, on disk as one line of JSON each."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bundle.files import write_whole
from schemas.errors import TrainingDataError
from trainer.folder import TrialFolder
from trainer.learning.consumption import Consumption
from trainer.reporter import EpochSummary

_CURVES = ("lr", "lowest_lr", "train_loss", "val_loss", "val_auroc", "films_per_second", "learning_parameters")


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch."""

    epoch: int  # from 0
    lr: float  # of the last step, of the group that learns fastest
    train_loss: float
    val_loss: float  # cross-entropy, of findings binary
    val_auroc: float  # macro one-vs-rest for more than two classes, macro over findings
    seconds: float  # of training and validation
    films_per_second: float  # of training
    lowest_lr: float = 0.0  # of the group that learns slowest
    learning_parameters: int = 0  # weights that learnt
    batch_size: int = 0  # films at once; halved where the device ran out of memory
    accumulate: int = 1  # batches for one step; doubled then
    cpu_seconds: float | None = None  # of all threads, as `seconds`; None: not measured
    energy_joules: dict[str, float] | None = None  # by counter of the machine; {}: it has none; None: not measured

    @property
    def consumption(self) -> Consumption:
        """What the epoch took."""
        return Consumption(self.seconds, self.cpu_seconds, self.energy_joules)

    def summary(self, *, best: bool) -> EpochSummary:
        """The epoch for a person who watches.

        Args:
            best: whether it is the best epoch so far.
        """
        return EpochSummary(
            epoch=self.epoch,
            train_loss=self.train_loss,
            val_loss=self.val_loss,
            val_auroc=self.val_auroc,
            best=best,
            seconds=self.seconds,
            films_per_second=self.films_per_second,
        )


def write_history(folder: TrialFolder, history: Sequence[EpochRecord]) -> None:
    """Write history.jsonl, whole or not at all."""
    lines = "".join(json.dumps(asdict(record)) + "\n" for record in history)
    write_whole(folder.history, lines.encode())


def read_history(folder: TrialFolder) -> tuple[EpochRecord, ...]:
    """The epochs that a fit has done; empty where it has done none.

    Raises:
        TrainingDataError: the file is damaged or of another version.
    """
    path = folder.history
    if not path.exists():
        return ()
    try:
        return tuple(EpochRecord(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    except (ValueError, TypeError) as error:
        msg = f"{path} is damaged or of another version; move it away to do without the curves"
        raise TrainingDataError(msg) from error


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
