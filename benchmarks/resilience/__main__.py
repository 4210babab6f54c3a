"""Every experiment against the real server process; prints one table: experiment, figure, value, limit, verdict.

`--full` takes the times that the limits are meant for, and then every line that is not kept gives exit status 1; the
short form leaves that to the lines that no busy machine excuses, see `benchmarks.resilience.table.Row`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.resilience.experiments.candidates import candidates
from benchmarks.resilience.experiments.deadlines import deadlines
from benchmarks.resilience.experiments.disk import disk
from benchmarks.resilience.experiments.drain import drain
from benchmarks.resilience.experiments.endless import endless
from benchmarks.resilience.experiments.hostile.attacks import attacks
from benchmarks.resilience.experiments.hostile.bombs import bombs
from benchmarks.resilience.experiments.hostile.frames import spoilt_frames
from benchmarks.resilience.experiments.hostile.poison import poison
from benchmarks.resilience.experiments.kills import kills
from benchmarks.resilience.experiments.large_films import large_films
from benchmarks.resilience.experiments.liveness import liveness
from benchmarks.resilience.experiments.overload import overload
from benchmarks.resilience.experiments.priority import priority
from benchmarks.resilience.experiments.soak import soak
from benchmarks.resilience.experiments.suites import suites
from benchmarks.resilience.experiments.swap import swap
from benchmarks.resilience.server import Server, running_apart
from benchmarks.resilience.table import HEAD, Row
from benchmarks.resilience.versions import two_versions
from bundle.files import write_whole

Load = Callable[[Server, float], Awaitable[list[Row]]]


def _under_load(experiment: Load, *, full: bool, **settings: object) -> list[Row]:
    async def whole(server: Server) -> list[Row]:
        return await experiment(server, 60.0 if full else 10.0)

    with running_apart(**settings) as server:
        return asyncio.run(whole(server))


def _soak(folder: Path, *, full: bool) -> list[Row]:
    seconds, warm_up = (1200.0, 120.0) if full else (40.0, 12.0)
    return asyncio.run(soak(folder, seconds=seconds, warm_up=warm_up))


EXPERIMENTS: Mapping[str, Callable[[Path, argparse.Namespace], list[Row]]] = {
    "overload": lambda _, chosen: _under_load(overload, full=chosen.full),
    "priority": lambda _, chosen: _under_load(priority, full=chosen.full),
    "swap": lambda folder, chosen: _under_load(
        swap, full=chosen.full, models_dir=two_versions(folder), model_poll_s=0.2
    ),
    "deadlines": lambda folder, _: asyncio.run(deadlines(folder)),
    "drain": lambda folder, _: asyncio.run(drain(folder)),
    "candidates": lambda folder, _: candidates(folder),
    "endless": lambda folder, _: endless(folder),
    "kills": lambda folder, chosen: kills(folder, full=chosen.full),
    "poison": lambda folder, _: poison(folder),
    "liveness": lambda folder, _: asyncio.run(liveness(folder)),
    "disk": lambda folder, _: disk(folder),
    "soak": lambda folder, chosen: _soak(folder, full=chosen.full),
    "bombs": lambda folder, _: bombs(folder),
    "spoilt frames": lambda _, chosen: spoilt_frames(seconds=300.0 if chosen.full else 14.0),
    "attacks": lambda folder, _: attacks(folder),
    "large films": lambda _, chosen: large_films(seconds=600.0 if chosen.full else 14.0),
    "suites": lambda _, chosen: suites(chosen.report, full=chosen.full),
}


def main() -> int:
    """Run the experiments, each on servers of its own; 1 where a line fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resilience", description=__doc__)
    parser.add_argument("--full", action="store_true", help="load for 60 s and the soak for 20 min, not 10 s and 40 s")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the table, too")
    parser.add_argument("--report", type=Path, metavar="FILE", help="JUnit report of the tests; default: run them")
    parser.add_argument("--without", action="append", default=[], choices=EXPERIMENTS, help="leave one out")
    parser.add_argument("experiment", nargs="*", choices=[*EXPERIMENTS, []], help="default: all")
    options = parser.parse_args()
    print(HEAD)
    rows = []
    for name in options.experiment or [name for name in EXPERIMENTS if name not in options.without]:
        start = time.perf_counter()
        for row in _rows(name, options):
            rows.append(row)
            print(row, flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    if options.write is not None:
        _write(options.write, rows, full=options.full)
    return int(any(row.fails(full=options.full) for row in rows))


def _rows(name: str, chosen: argparse.Namespace) -> list[Row]:
    # A child of a service that was killed may still write there.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            return EXPERIMENTS[name](Path(folder), chosen)
        except Exception as error:  # noqa: BLE001 whatever one experiment dies of, the others are run, and it is shown
            return [Row(name, "the experiment itself", f"{type(error).__name__}: {error}", "ends", kept=False)]


def _write(file: Path, rows: list[Row], *, full: bool) -> None:
    form = "full form" if full else "short form"
    head = f"# Resilience\n\n`make resilience`, {form}, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores.\n\n"
    write_whole(file, (head + "\n".join([HEAD, *map(str, rows)]) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
