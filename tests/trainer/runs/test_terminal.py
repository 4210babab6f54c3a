"""Rules of a whole run on a terminal: the program itself trains on a pseudo-terminal."""

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OPTIONS = [
    "--size",
    "32",
    "--epochs",
    "2",
    "--batch-size",
    "8",
    "--set",
    "report.explain=0",
    "--set",
    "learn.device=cpu",
]
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
BAR = re.compile(r"cnn_baseline seed 0 epoch (\d)/2\s+[━╸╺]+\s+(\d+)/(\d+)")


def command(films: Path, folder: Path) -> list[str]:
    places = ["--data", str(films), "--set", f"data.cache={folder / 'cache'}", "--out", str(folder / "run")]
    return [sys.executable, "-m", "trainer", "train", "--arch", "cnn_baseline", *places, *OPTIONS]


def on_a_terminal(program: list[str]) -> str:
    """What a program writes to a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(program, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        written = bytearray()
        try:
            with contextlib.suppress(OSError):  # Linux: the other side of the terminal was closed
                while some := os.read(ours, 65536):
                    written += some
        finally:
            os.close(ours)  # hangs up: a program that still writes would wait for a reader, and this test for it
    assert running.returncode == 0, written.decode()
    return ANSI.sub("", written.decode())


@pytest.mark.process
@pytest.mark.long
def test_the_bar_of_each_epoch_moves_to_its_end(kermany_like, tmp_path) -> None:
    shown = on_a_terminal(command(kermany_like, tmp_path))
    bars = [tuple(map(int, bar)) for bar in BAR.findall(shown)]

    for epoch in (1, 2):
        counts = [done for of, done, _ in bars if of == epoch]
        assert counts == sorted(counts)
        assert (counts[0], counts[-1]) == (0, next(total for of, _, total in bars if of == epoch))
    assert "2 of 2" in shown
