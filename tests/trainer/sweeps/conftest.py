"""Sweeps on films that are drawn: options of a small one, and one that ran as processes of this machine."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EPOCHS = 24
TRIALS = ("cnn4-seed0", "cnn4-seed1", "cnn_baseline-seed0", "cnn_baseline-seed1")
DEADLINE_S = 600


def sweep_options(films: Path, cache: Path) -> list[str]:
    return [
        *("--data", str(films), "--archs", "cnn4,cnn_baseline", "--seeds", "0,1", "--size", "32"),
        *("--epochs", str(EPOCHS), "--batch-size", "8", "--set", "data.val_fraction=0.3", "--set", "learn.device=cpu"),
        *("--set", f"data.cache={cache}", "--set", "report.explain=0", "--set", "learn.patience=100"),
    ]


@pytest.fixture
def start_sweep(kermany_like, tmp_path, monkeypatch) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts `python -m trainer sweep …` with the options of the small sweep and those given."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # its token would be written to the home folder

    processes: list[subprocess.Popen[str]] = []

    def started(out: Path, *placement: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "trainer", "sweep", *sweep_options(kermany_like, tmp_path / "cache")]
        process = subprocess.Popen(
            [*command, "--out", str(out), *placement],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        with process:  # closes its pipe
            process.kill()


@pytest.fixture
def local_board(start_sweep, built_once) -> dict[str, object]:
    """The leaderboard of the sweep that ran on this machine, without what was measured in seconds."""

    def run(folder: Path) -> None:
        process = start_sweep(folder / "run", "--on", "local", "--jobs", "2")
        printed, _ = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, printed

    return board_of(built_once("local-sweep", run) / "run")


def board_of(run: Path) -> dict[str, object]:
    board = json.loads((run / "leaderboard.json").read_text())
    for row in (*board["rows"], *board["architectures"]):
        del row["training_seconds"], row["ms_per_film"]
    return board


def epochs_done(run: Path, trial: str) -> list[str]:
    history = run / "trials" / trial / "history.jsonl"
    return history.read_text().splitlines() if history.exists() else []


def epochs_printed(log: str) -> list[int]:
    """The numbers of the epochs that a trial's processes printed, in order."""
    return [int(line.split()[0]) for line in log.splitlines() if " loss " in line]


def was_trained_once(log: str) -> bool:
    """Whether no epoch was trained twice; a process that ends may have recorded one whose line it had not printed."""
    printed = epochs_printed(log)
    return printed == sorted(set(printed)) and printed[-1] == EPOCHS and len(printed) >= EPOCHS - 1
