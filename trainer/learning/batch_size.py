"""How the films of an epoch are cut into batches, and the smaller batches where the device runs out of memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import TrainingConfigError
from trainer.learning.history import EpochRecord
from trainer.reporter import Reporter

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
    """The batching of the last epoch, so that memory does not run out again; before the first epoch, as asked for."""
    last = history[-1] if history else None
    return Batching(last.batch_size, last.accumulate) if last and last.batch_size else Batching(size, accumulate)


def smaller(batching: Batching, reporter: Reporter) -> Batching:
    """The next smaller batches; the reporter receives a message.

    Raises:
        TrainingConfigError: there are none.
    """
    if batching.size <= _SMALLEST_BATCH:
        msg = (
            f"the device has too little memory for {batching.size} films at once; lower --size, or take a smaller "
            "network"
        )
        raise TrainingConfigError(msg)
    halved = batching.halved()
    reporter.message(
        f"  the device ran out of memory with {batching.size} films at once: the epoch begins again with "
        f"{halved.size}, {halved.accumulate} batches for one step"
    )
    return halved
