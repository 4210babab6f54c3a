"""The trainer from Python: what its commands do, as two functions and two views of a run."""

import os

# See trainer/__main__.py: OpenMP reads it once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from schemas.errors import CxrError, TrainingDataError
from schemas.model.trial import TrialRecord
from trainer.allocator import keep_freed_memory
from trainer.config import ReportOptions, RunConfig, make_config, nested, read_config
from trainer.films.dataset import DataRecord, read_data
from trainer.folder import Part, RunFolder, TrialFolder
from trainer.heat_maps.explain import write_explanations
from trainer.judging.predictions import FilmAnswer, read_predictions
from trainer.learning.history import EpochRecord, read_history
from trainer.report.document import write_report
from trainer.reporter import Reporter
from trainer.runs import run as runs
from trainer.runs.exportable import load_exportable
from trainer.runs.leaderboard import Leaderboard, read_leaderboard
from trainer.trials.record import read_trial
from trainer.trials.trial import TrainedTrial

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One network of a run, or a mean of several."""

    folder: TrialFolder
    record: TrialRecord
    """Classes, calibration, figures with intervals, provenance."""

    @property
    def name(self) -> str:
        """Name of the trial."""
        return self.folder.name

    @property
    def history(self) -> tuple[EpochRecord, ...]:
        """The epochs of its training; a mean of others has none."""
        return read_history(self.folder)

    def predictions(self, part: Part = "validation") -> tuple[FilmAnswer, ...]:
        """The answer to every film of a set.

        Raises:
            TrainingDataError: there is no such table, for instance because the test set is sealed.
        """
        return read_predictions(self.folder.predictions(part))

    def load(self) -> TrainedTrial:
        """The network with its weights, the gate and the films; `export.export.write_bundle` takes it.

        Raises:
            CxrError: see `trainer.runs.exportable.load_exportable`.
        """
        return load_exportable(self.folder)


@dataclass(frozen=True, slots=True)
class Run:
    """A run whose training has ended."""

    folder: RunFolder
    config: RunConfig
    data: DataRecord
    """Classes, counts and notes of the films."""
    leaderboard: Leaderboard

    @property
    def trials(self) -> tuple[Trial, ...]:
        """In the order of the leaderboard, the best on validation first; means of trials among them."""
        return tuple(self.trial(row.trial) for row in self.leaderboard.rows)

    @property
    def winner(self) -> Trial:
        """The trial that validation chose."""
        return self.trial(self.leaderboard.winner.trial)

    def trial(self, name: str) -> Trial:
        """A trial by its name.

        Raises:
            TrainingDataError: the run has no such trial.
        """
        names = [row.trial for row in self.leaderboard.rows]
        if name not in names:
            msg = f"{self.folder} has no trial {name!r}; it has {', '.join(names)}"
            raise TrainingDataError(msg)
        folder = self.folder.trial(name)
        return Trial(folder, read_trial(folder))

    def write_report(self) -> Path:
        """Write report.html into the folder of the run, and return its path."""
        return write_report(self.folder)


def train(  # noqa: PLR0913 - the options of the command
    data: str | Path,
    out: str | Path,
    *,
    archs: str | Iterable[str],
    options: Mapping[str, Any] = MappingProxyType({}),
    reporter: Reporter | None = None,
    retry_failed: bool = False,
) -> Run:
    """Train, choose on validation, open the test set once, explain the best trial and write the report.

    A run that was stopped goes on where it was. The same on the command line: `python -m trainer train`. The memory of
    the process is set up for training, see `trainer.allocator`.

    Args:
        data: folder of films, a MedMNIST .npz, or a .csv; see docs/data.md.
        out: folder of the run.
        archs: name of an architecture, or several; "all": every row of the table.
        options: any other field of the config by its dotted name, e.g. `{"learn.epochs": 3}`; see docs/reference.md.
        reporter: receives the progress; None: nobody does.
        retry_failed: train trials again that failed before.

    Raises:
        CxrError: see `trainer.config.make_config` and `trainer.runs.run.train`.
    """
    names = [archs] if isinstance(archs, str) else list(archs)
    config = make_config(nested({**nested(options), "data.path": str(data), "networks.archs": names}))
    folder = RunFolder(Path(out))
    call = f"trainer.train({str(data)!r}, {str(out)!r}, archs={names}, options={dict(options)})"
    keep_freed_memory()
    board = runs.train(config, folder, command=call, reporter=reporter, retry_failed=retry_failed)
    conclude(folder, board, config.report, reporter.message if reporter else _ignore)
    return load_run(out)


def load_run(folder: str | Path) -> Run:
    """A run whose training has ended, by its folder.

    Raises:
        CxrError: the folder holds no such run, or one of another version.
    """
    run = RunFolder(Path(folder))
    return Run(run, read_config(run), read_data(run), read_leaderboard(run))


def conclude(folder: RunFolder, board: Leaderboard, options: ReportOptions, say: Say) -> None:
    """Explain the best trials and write the report; the run's results are on disk whatever happens here.

    Args:
        folder: of the run.
        board: its trials in their order.
        options: how many trials are explained.
        say: receives a line about a trial that is not explained, and one with the path of the report.
    """
    for row in board.rows[: options.explain]:
        if row.kind == "trial" and not folder.explanations(row.trial).record.exists():
            try:
                write_explanations(folder, row.trial)
            except CxrError as error:
                say(f"{row.trial} is not explained: {error}")
    say(f"report: {write_report(folder)}")


def _ignore(_line: str) -> None:
    pass


__all__: Sequence[str] = ["FilmAnswer", "Run", "Trial", "load_run", "train"]
