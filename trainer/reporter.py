"""The events by which a run reports its progress, and a reporter that ignores them; it shows nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

Progress = Callable[[int, int], None]
"""Called with the number of items that are done, and the number of all."""


@dataclass(frozen=True, slots=True)
class EpochSummary:
    """One epoch as a person wants it who watches."""

    epoch: int
    """From 0."""
    train_loss: float
    val_loss: float
    val_auroc: float
    best: bool
    """Whether it is the best epoch so far."""
    seconds: float
    films_per_second: float

    def __str__(self) -> str:
        """One line."""
        return (
            f"  {self.epoch + 1:3d}  loss {self.train_loss:.4f}  validation {self.val_loss:.4f}  "
            f"AUROC {self.val_auroc:.4f}{'*' if self.best else ' '}  {self.seconds:.0f} s  "
            f"{self.films_per_second:.0f} films/s"
        )


class Reporter(Protocol):
    """Receives the events of a run; `trainer.runs.console.ConsoleReporter` shows them in a terminal."""

    def message(self, text: str) -> None:
        """Report one line of text."""
        ...

    def stage(self, description: str) -> AbstractContextManager[Progress]:
        """Report the progress of a stage; the function that the context gives is called with items done and all."""
        ...

    def trial_started(self, trial: str, epochs: int) -> None:
        """Report that a trial trains, for at most `epochs` epochs."""
        ...

    def epoch_ended(self, trial: str, epoch: EpochSummary) -> None:
        """Report that an epoch of a trial, or of a fit of a search, is done and saved."""
        ...

    def trial_ended(self, trial: str, validation_auroc: float) -> None:
        """Report that a trial is trained and calibrated."""
        ...

    def trial_failed(self, trial: str) -> None:
        """Report that a trial failed; a message has said why."""
        ...


class SilentReporter:
    """Ignores every event: for programs that show nothing, and for tests to derive from."""

    def message(self, text: str) -> None:
        """Ignore a line of text."""

    @contextmanager
    def stage(self, description: str) -> Iterator[Progress]:
        """Ignore the progress of a stage."""
        del description
        yield lambda _done, _total: None

    def trial_started(self, trial: str, epochs: int) -> None:
        """Ignore the start of a trial."""

    def epoch_ended(self, trial: str, epoch: EpochSummary) -> None:
        """Ignore the end of an epoch."""

    def trial_ended(self, trial: str, validation_auroc: float) -> None:
        """Ignore the end of a trial."""

    def trial_failed(self, trial: str) -> None:
        """Ignore the failure of a trial."""
