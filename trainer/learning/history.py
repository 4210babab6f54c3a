"""What each epoch of a fit did, on disk as one line of JSON each."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bundle.files import write_whole
from schemas.errors import TrainingDataError
from trainer.learning.consumption import Consumption

HISTORY = "history.jsonl"


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch."""

    epoch: int  # from 0
    lr: float  # of the last step, of the group that learns fastest
    train_loss: float
    val_loss: float  # cross-entropy
    val_auroc: float  # macro one-vs-rest for more than two classes
    seconds: float  # of training and validation
    films_per_second: float  # of training
    lowest_lr: float = 0.0  # of the group that learns slowest
    learning_parameters: int = 0  # weights that learnt
    batch_size: int = 0  # films at once; halved where the device ran out of memory
    accumulate: int = 1  # batches for one step; doubled then
    cpu_seconds: float | None = None  # of all threads, as `seconds`; None: not recorded, by an earlier version
    energy_joules: dict[str, float] | None = None  # by counter of the machine; {}: it has none; None: as above

    @property
    def consumption(self) -> Consumption:
        """What the epoch took."""
        return Consumption(self.seconds, self.cpu_seconds, self.energy_joules)

    def line(self, *, best: bool) -> str:
        """The epoch in words, for a person who watches."""
        return (
            f"  {self.epoch + 1:3d}  loss {self.train_loss:.4f}  validation {self.val_loss:.4f}  "
            f"AUROC {self.val_auroc:.4f}{'*' if best else ' '}  {self.seconds:.0f} s  {self.films_per_second:.0f} films/s"
        )


def write_history(directory: Path, history: Sequence[EpochRecord]) -> None:
    """Write history.jsonl, whole or not at all."""
    lines = "".join(json.dumps(asdict(record)) + "\n" for record in history)
    write_whole(directory / HISTORY, lines.encode())


def read_history(directory: Path) -> tuple[EpochRecord, ...]:
    """The epochs that a fit has done; empty where it has done none.

    Raises:
        TrainingDataError: the file is damaged or of another version.
    """
    path = directory / HISTORY
    if not path.exists():
        return ()
    try:
        return tuple(EpochRecord(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    except (ValueError, TypeError) as error:
        msg = f"{path} is damaged or of another version; move it away to do without the curves"
        raise TrainingDataError(msg) from error
