"""Prints one table: experiment, figure, limit, verdict. `--full` takes the times that the limits are meant for."""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from benchmarks.resilience.overload import overload
from benchmarks.resilience.priority import priority
from benchmarks.resilience.server import Server, running_apart
from benchmarks.resilience.swap import swap
from benchmarks.resilience.table import Row
from benchmarks.resilience.versions import two_versions


def _run(experiment: Callable[[Server, float], Awaitable[list[Row]]], seconds: float, **settings: object) -> list[Row]:
    async def whole(server: Server) -> list[Row]:
        return await experiment(server, seconds)

    with running_apart(**settings) as server:
        return asyncio.run(whole(server))


def main() -> None:
    """Run the experiments, each on a fresh server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="60 s each instead of 10")
    parser.add_argument("experiment", nargs="*", choices=["overload", "priority", "swap", []], help="default: all")
    options = parser.parse_args()
    seconds = 60.0 if options.full else 10.0
    print("| experiment | figure | value | limit | |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        models = two_versions(Path(folder))
        experiments: Mapping[str, Callable[[], list[Row]]] = {
            "overload": lambda: _run(overload, seconds),
            "priority": lambda: _run(priority, seconds),
            "swap": lambda: _run(swap, seconds, models_dir=models, model_poll_s=0.2),
        }
        for name in options.experiment or experiments:
            for row in experiments[name]():
                verdict = "kept" if row.kept else "MISSED"
                print(f"| {row.experiment} | {row.figure} | {row.value} | {row.limit} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
