"""How the films of an epoch are cut into batches, and what becomes of that where the device runs out of memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.progress import Progress

from schemas.errors import TrainingConfigError
from trainer.learning.history import EpochRecord

_SMALLEST_BATCH = 2  # batch norm needs two films


@dataclass(frozen=True, slots=True)
class Batching:
    """How the films of an epoch are cut: films at once, and batches for one step."""

    size: int
    accumulate: int

    def halved(self) -> "Batching":
        """Half as many films at once, rounded up, and twice as many batches for one step."""
        return Batching(-(-self.size // 2), self.accumulate * 2)


def first_batching(history: Sequence[EpochRecord], size: int, accumulate: int) -> Batching:
    """As the last epoch was cut: where memory ran out once it would run out again. Without one, as it is asked for."""
    last = history[-1] if history else None
    return Batching(last.batch_size, last.accumulate) if last and last.batch_size else Batching(size, accumulate)


def smaller(batching: Batching, progress: Progress) -> Batching:
    """The next smaller batches, and a line that says so.

    Raises:
        TrainingConfigError: there are none.
    """
    if batching.size <= _SMALLEST_BATCH:
        msg = f"the device has too little memory for {batching.size} films at once; lower --size, or take a smaller network"
        raise TrainingConfigError(msg)
    halved = batching.halved()
    progress.console.print(
        f"  the device ran out of memory with {batching.size} films at once: the epoch begins again with {halved.size}, "
        f"{halved.accumulate} batches for one step"
    )
    return halved
