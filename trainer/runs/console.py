"""The progress of a run in a terminal, or as lines in a log."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainer import reporter
from trainer.runs.progress_table import TrialTable


class ConsoleReporter:
    """Prints messages and epochs; while `live` lasts, a terminal also shows the trials and the stage's progress."""

    def __init__(self, console: Console, trials: Sequence[str]) -> None:
        self._console = console
        self._table = TrialTable(trials)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console)
        self._live = Live(self, console=console, transient=True)

    def live(self) -> AbstractContextManager[object]:
        """Show the table of the trials and the progress while the context lasts; nothing where there is no terminal."""
        if not self._console.is_terminal:
            return nullcontext()
        return self._live

    def __rich__(self) -> Group:
        """The table of the trials, and the bars of the stages that are under way."""
        return Group(self._table, self._progress)

    def message(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False)

    @contextmanager
    def stage(self, description: str) -> Iterator[reporter.Progress]:
        """Show a bar that advances with the stage, and is gone after it."""
        task = self._progress.add_task(description, total=None)

        def advance(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)
            if done in {0, total}:
                self._refresh()

        try:
            yield advance
        finally:
            self._progress.remove_task(task)

    def _refresh(self) -> None:
        """Show begin and end of a stage, which may be shorter than the 250 ms after which rich looks again."""
        if self._live.is_started:
            self._live.refresh()

    def trial_started(self, trial: str, epochs: int) -> None:
        """Mark the trial's row."""
        self._table.started(trial, epochs)

    def epoch_ended(self, trial: str, epoch: reporter.EpochSummary) -> None:
        """Print the epoch, and update the trial's row."""
        self.message(str(epoch))
        self._table.advanced(trial, epoch)

    def trial_ended(self, trial: str, validation_auroc: float) -> None:
        """Mark the trial's row."""
        self._table.ended(trial, validation_auroc)

    def trial_failed(self, trial: str) -> None:
        """Mark the trial's row."""
        self._table.failed(trial)
