"""A run that is killed with SIGKILL, three times, ends with the figures of one that was not."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.folder import TrialFolder
from trainer.trials.record import read_trial

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
KILLS = 3
EPOCHS = 4
DEADLINE_S = 500
SEED = int(os.environ.get("KILLS_SEED", "0"))  # of the moments of the kills; another one kills elsewhere


NURSERY = """
import json, os, sys
import trainer.__main__, trainer.api

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["trainer", *json.loads(line)]
        trainer.__main__.main()
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """A process that imports the trainer once, for 5 s of a processor, and forks each run."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", NURSERY]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._running: int | None = None

    def start(self, arguments: list[str]) -> None:
        """Fork a run with these arguments of `python -m trainer`; the one before has ended."""
        assert self._running is None
        self._process.stdin.write(json.dumps(arguments).encode() + b"\n")
        self._running = int(self._process.stdout.readline())

    def kill(self) -> None:
        os.kill(self._running, signal.SIGKILL)

    def wait(self, within_s: float) -> int | None:
        """The exit status, negative for a signal; None where the run is still alive after so many seconds."""
        if not select.select([self._process.stdout], [], [], within_s)[0]:
            return None
        self._running = None
        return int(self._process.stdout.readline())

    def end(self) -> None:
        if self._running is not None:
            self.kill()
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def start(kermany_like, tmp_path):
    nursery = Nursery()
    options = [
        *("--data", str(kermany_like), "--archs", "cnn_baseline,cnn_attention", "--seeds", "0,1", "--size", "32"),
        *("--epochs", str(EPOCHS), "--batch-size", "8", "--set", "data.val_fraction=0.3", "--set", "learn.device=cpu"),
        *("--set", f"data.cache={tmp_path / 'cache'}", "--set", "learn.ema_decay=0.9", "--set", "report.explain=0"),
    ]

    def started(run: Path) -> Nursery:
        nursery.start(["sweep", *options, "--out", str(run)])
        return nursery

    yield started
    nursery.end()


def epochs_done(run: Path) -> dict[str, list[str]]:
    """The lines of every trial's history: they hold the time that the epoch took, so a repeated epoch has another."""
    return {path.parent.name: path.read_text().splitlines() for path in run.glob("trials/*/history.jsonl")}


def files_written(run: Path) -> set[tuple[str, int]]:
    written = set()
    for folder, _, names in os.walk(run):
        for name in names:
            try:
                written.add((name, Path(folder, name).stat().st_mtime_ns))
            except FileNotFoundError:  # a temporary file that was renamed meanwhile
                continue
    return written


def kill_at(process: Nursery, run: Path, writes: int) -> bool:
    """Kill once so many files were written; False where it ended before."""
    seen = files_written(run)
    end = time.monotonic() + DEADLINE_S
    count = 0
    # Looking without a pause would take one of two cores from the run.
    while process.wait(0.01) is None and time.monotonic() < end:
        now = files_written(run)
        count = count + len(now - seen)
        seen = now
        if count >= writes:
            process.kill()
            return process.wait(DEADLINE_S) == -signal.SIGKILL
    return False


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_run_that_is_killed_three_times_ends_as_if_nothing_had_happened(start, tmp_path) -> None:
    draw = random.Random(SEED)
    whole = tmp_path / "whole"
    broken = tmp_path / "broken"
    assert start(whole).wait(DEADLINE_S) == 0
    # Each file is seen at least once, so that the last kill comes before the end however fast the machine is.
    latest = len(files_written(whole)) // (KILLS + 2)

    kills = 0
    for _ in range(KILLS):
        before = epochs_done(broken)
        ended = {
            path.parent: read_trial(TrialFolder(path.parent)).provenance.trained_at
            for path in broken.glob("trials/*/trial.json")
        }
        kills += kill_at(start(broken), broken, draw.randint(1, latest))
        after = epochs_done(broken)
        for trial, lines in before.items():
            assert after[trial][: len(lines)] == lines, "an epoch that was done was repeated"
        for directory, trained_at in ended.items():
            assert read_trial(TrialFolder(directory)).provenance.trained_at == trained_at, (
                "a trial that had ended was repeated"
            )
    assert start(broken).wait(DEADLINE_S) == 0

    assert kills == KILLS
    trials = sorted(path.parent.name for path in whole.glob("trials/*/trial.json"))
    assert trials == sorted(path.parent.name for path in broken.glob("trials/*/trial.json"))
    for trial in trials:
        for name in ("best.safetensors", "validation.npz", "test.npz", "statistics.npz"):
            if (whole / "trials" / trial / name).exists():
                assert same(whole / "trials" / trial / name, broken / "trials" / trial / name), f"{trial}/{name}"
        assert figures(whole / "trials" / trial) == figures(broken / "trials" / trial)
    assert winner(whole) == winner(broken)
    assert all(len(lines) == EPOCHS for lines in epochs_done(broken).values())


def same(first: Path, second: Path) -> bool:
    return first.read_bytes() == second.read_bytes()


def figures(directory: Path) -> dict[str, object]:
    record = json.loads(TrialFolder(directory).record.read_text())
    return {name: record[name] for name in ("calibration", "validation", "test", "best_epoch", "members")}


def winner(run: Path) -> list[str]:
    return [row["trial"] for row in json.loads((run / "leaderboard.json").read_text())["rows"]]
