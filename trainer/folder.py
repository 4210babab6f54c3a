"""Where a run keeps its files: every file name and every path of a run; it refuses to know what the files hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["validation", "test"]
"""A set of films whose outputs a trial keeps."""

PARTS: tuple[Part, ...] = ("validation", "test")


@dataclass(frozen=True, slots=True)
class TrialFolder:
    """The folder of one trial: `RUN/trials/NAME/`, or `RUN/search/NAME/` for a fit of a search."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Name of the trial."""
        return self.path.name

    @property
    def run(self) -> "RunFolder":
        """The run that the trial belongs to."""
        return RunFolder(self.path.parent.parent)

    @property
    def record(self) -> Path:
        """Architecture, calibration, evaluations and provenance; written last, so a trial that has it has ended."""
        return self.path / "trial.json"

    @property
    def failure(self) -> Path:
        """Why the trial failed; absent where it did not."""
        return self.path / "failure.json"

    @property
    def best_weights(self) -> Path:
        """The weights of the best epoch."""
        return self.path / "best.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The state of the fit after its last epoch."""
        return self.path / "checkpoint.pt"

    @property
    def precision(self) -> Path:
        """The precision that was measured to be the faster one; absent where it was named."""
        return self.path / "precision.json"

    @property
    def history(self) -> Path:
        """One line of JSON for each epoch."""
        return self.path / "history.jsonl"

    @property
    def events(self) -> Path:
        """Folder of the TensorBoard event files."""
        return self.path / "events"

    @property
    def unfinished_events(self) -> Path:
        """Folder that becomes `events` once it is complete."""
        return self.path / ".events"

    @property
    def statistics(self) -> Path:
        """Arrays of the gate against unfamiliar images."""
        return self.path / "statistics.npz"

    def outputs(self, part: Part) -> Path:
        """Logits and truth of every film of a set."""
        return self.path / f"{part}.npz"

    def predictions(self, part: Part) -> Path:
        """The answer to every film of a set, as a table for spreadsheets."""
        return self.path / f"{part}.csv"

    def make(self) -> None:
        """Create the folder where it is missing.

        Raises:
            OSError: it cannot be created.
        """
        self.path.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class ExplanationFolder:
    """The folder of a trial's heat maps: `RUN/explanations/NAME/`."""

    path: Path

    @property
    def record(self) -> Path:
        """What the heat maps show, in figures."""
        return self.path / "explanations.json"

    def sheet(self, file: str) -> Path:
        """A picture by its file name."""
        return self.path / file

    def make(self) -> None:
        """Create the folder where it is missing."""
        self.path.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Name of the run, also where the path is relative, e.g. `.`."""
        return self.path.resolve().name

    @property
    def config(self) -> Path:
        """The config that the run was started with."""
        return self.path / "config.yaml"

    @property
    def data(self) -> Path:
        """Classes, counts and hashes of the run's films."""
        return self.path / "data.json"

    @property
    def split(self) -> Path:
        """Every film of the run with its place: train, val or test."""
        return self.path / "split.csv"

    @property
    def leaderboard(self) -> Path:
        """The trials in the order of their validation AUROC."""
        return self.path / "leaderboard.json"

    @property
    def opening(self) -> Path:
        """When the test set was opened; absent while it is sealed."""
        return self.path / "test_opened.json"

    @property
    def report(self) -> Path:
        """The report of the run."""
        return self.path / "report.html"

    @property
    def trials(self) -> Path:
        """Folder of the trials."""
        return self.path / "trials"

    def trial(self, name: str) -> TrialFolder:
        """The folder of a trial."""
        return TrialFolder(self.trials / name)

    def log(self, name: str) -> Path:
        """What the process printed that trained a trial of a sweep."""
        return self.path / "logs" / f"{name}.log"

    def lock(self, name: str) -> Path:
        """Held by the process that trains a trial of a sweep; not in the trial's folder, which may be replaced."""
        return self.path / "logs" / f".{name}.lock"

    @property
    def sbatch(self) -> Path:
        """The array of a sweep for Slurm."""
        return self.path / "sweep.sbatch"

    @property
    def slurm_job(self) -> Path:
        """The number of the array that Slurm was given last."""
        return self.path / "slurm_job.txt"

    def trial_folders(self) -> tuple[TrialFolder, ...]:
        """The folders of the trials that exist, by name."""
        return tuple(map(TrialFolder, sorted(self.trials.iterdir()))) if self.trials.is_dir() else ()

    @property
    def search(self) -> Path:
        """Folder of the search."""
        return self.path / "search"

    @property
    def search_database(self) -> Path:
        """What the search has tried."""
        return self.search / "search.db"

    def search_trial(self, architecture: str, index: int) -> TrialFolder:
        """The folder of one fit of a search."""
        return TrialFolder(self.search / f"{architecture.replace(':', '-')}-{index:03d}")

    def explanations(self, trial: str) -> ExplanationFolder:
        """The folder of a trial's heat maps."""
        return ExplanationFolder(self.path / "explanations" / trial)

    def make(self) -> None:
        """Create the folder where it is missing."""
        self.path.mkdir(parents=True, exist_ok=True)
