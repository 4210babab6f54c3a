"""The table of a run's trials, while it runs and at its end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from trainer.learning.history import EpochRecord
from trainer.runs.leaderboard import Leaderboard
from trainer.trials.failure import FAILURE
from trainer.trials.trial import TRIALS, read_trial
from trainer.trials.trial_spec import Plan


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

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._rows = {plan.name: _Row() for plan in plans}

    def started(self, plan: Plan, epochs: int) -> None:
        """A trial trains, for at most so many epochs."""
        self._change(plan, state="training", epochs=epochs)

    def advanced(self, plan: Plan, record: EpochRecord) -> None:
        """A trial has done an epoch."""
        best = max(record.val_auroc, self._rows[plan.name].best_auroc or 0)
        self._change(
            plan,
            epoch=record.epoch + 1,
            best_auroc=best,
            films_per_second=record.films_per_second,
            epoch_seconds=record.seconds,
        )

    def ended(self, plan: Plan, auroc: float) -> None:
        """A trial is trained and calibrated."""
        self._change(plan, state="done", best_auroc=auroc)

    def failed(self, plan: Plan) -> None:
        """A trial failed."""
        self._change(plan, state="failed")

    def __rich__(self) -> Table:
        """The table as it is now."""
        table = Table(title="trials", title_justify="left")
        for column in ("trial", "state", "epoch", "best AUROC", "films/s", "left"):
            table.add_column(column, justify="left" if column in {"trial", "state"} else "right")
        colours = {"training": "bold cyan", "done": "green", "failed": "bold red", "waiting": "dim"}
        for name, row in self._rows.items():
            table.add_row(name, row.state, *_figures(row), style=colours[row.state])
        return table

    def _change(self, plan: Plan, **changes: object) -> None:
        self._rows[plan.name] = replace(self._rows[plan.name], **changes)  # type: ignore[arg-type]  # fields by name


def _figures(row: _Row) -> tuple[str, str, str, str]:
    left = row.epoch_seconds * (row.epochs - row.epoch) if row.state == "training" else 0.0
    return (
        f"{row.epoch} of {row.epochs}" if row.epochs else "",
        "" if row.best_auroc is None else f"{row.best_auroc:.4f}",
        "" if row.films_per_second is None else f"{row.films_per_second:.0f}",
        f"{left / 60:.0f} min" if left else "",
    )


def results(board: Leaderboard, run: Path) -> Table:
    """The trials in their order, with what each cost and reached, and those that failed."""
    table = Table(title=f"{run}: chosen on validation, best first", title_justify="left")
    for column in ("trial", "parameters", "minutes", "epochs", "ms/film", "AUROC validation", "AUROC test"):
        table.add_column(column, justify="left" if column == "trial" else "right", overflow="fold")
    for row in board.rows:
        record = read_trial(run / TRIALS / row.trial)
        table.add_row(
            row.trial,
            f"{row.parameters:,}",
            f"{row.training_seconds / 60:.1f}",
            "" if record.members else f"{record.best_epoch + 1} of {record.epochs}",
            "" if row.ms_per_film is None else f"{row.ms_per_film:.0f}",
            str(row.validation_auroc),
            str(record.test.auroc) if record.test else "-",
        )
    for path in sorted((run / TRIALS).glob(f"*/{FAILURE}")):
        table.add_row(path.parent.name, "failed", "", "", "", "", "", style="red")
    return table
