"""The table of a run's trials, while it runs and at its end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.table import Table
from rich.text import Text

from trainer.films.dataset import read_data
from trainer.folder import RunFolder
from trainer.reporter import EpochSummary
from trainer.runs.leaderboard import Leaderboard
from trainer.trials.record import read_trial


@dataclass(frozen=True, slots=True)
class _Row:
    state: str = "waiting"
    epoch: int = 0
    epochs: int = 0
    best_auroc: float | None = None
    films_per_second: float | None = None
    epoch_seconds: float = 0.0


class TrialTable:
    """One row for each trial, always up to date; rich draws it again and again."""

    def __init__(self, trials: Sequence[str]) -> None:
        self._rows = {trial: _Row() for trial in trials}

    def started(self, trial: str, epochs: int) -> None:
        """A trial trains, for at most `epochs` epochs."""
        self._change(trial, state="training", epochs=epochs)

    def advanced(self, trial: str, epoch: EpochSummary) -> None:
        """A trial has done an epoch; a fit of a search has no row."""
        if trial not in self._rows:
            return
        best = max(epoch.val_auroc, self._rows[trial].best_auroc or 0)
        self._change(
            trial,
            epoch=epoch.epoch + 1,
            best_auroc=best,
            films_per_second=epoch.films_per_second,
            epoch_seconds=epoch.seconds,
        )

    def ended(self, trial: str, auroc: float) -> None:
        """A trial is trained and calibrated."""
        self._change(trial, state="done", best_auroc=auroc)

    def failed(self, trial: str) -> None:
        """A trial failed."""
        self._change(trial, state="failed")

    def __rich__(self) -> Table:
        """The table as it is now."""
        table = Table(title="trials", title_justify="left")
        for column in ("trial", "state", "epoch", "best AUROC", "films/s", "left"):
            table.add_column(column, justify="left" if column in {"trial", "state"} else "right")
        colours = {"training": "bold cyan", "done": "green", "failed": "bold red", "waiting": "dim"}
        for name, row in self._rows.items():
            table.add_row(name, row.state, *_figures(row), style=colours[row.state])
        return table

    def _change(self, trial: str, **changes: object) -> None:
        self._rows[trial] = replace(self._rows[trial], **changes)  # type: ignore[arg-type]  # fields by name


def _figures(row: _Row) -> tuple[str, str, str, str]:
    left = row.epoch_seconds * (row.epochs - row.epoch) if row.state == "training" else 0.0
    return (
        f"{row.epoch} of {row.epochs}" if row.epochs else "",
        "" if row.best_auroc is None else f"{row.best_auroc:.4f}",
        "" if row.films_per_second is None else f"{row.films_per_second:.0f}",
        f"{left / 60:.0f} min" if left else "",
    )


def results(board: Leaderboard, folder: RunFolder) -> Table:
    """The trials in their order, with the cost and the figures of each, and those that failed."""
    table = Table(title=f"{folder}: chosen on validation, best first", title_justify="left")
    for column in ("trial", "parameters", "minutes", "epochs", "ms/film", "AUROC validation", "AUROC test"):
        table.add_column(column, justify="left" if column == "trial" else "right", overflow="fold")
    for row in board.rows:
        record = read_trial(folder.trial(row.trial))
        table.add_row(
            row.trial,
            f"{row.parameters:,}",
            f"{row.training_seconds / 60:.1f}",
            "" if record.members else f"{record.best_epoch + 1} of {record.epochs}",
            "" if row.ms_per_film is None else f"{row.ms_per_film:.0f}",
            str(row.validation_auroc),
            str(record.test.auroc) if record.test else "-",
        )
    doubts = read_data(folder).patients_known.doubts
    table.caption = Text("\n".join(doubts), style="bold yellow") if doubts else None
    for trial in folder.trial_folders():
        if trial.failure.exists():
            table.add_row(trial.name, "failed", "", "", "", "", "", style="red")
    return table
