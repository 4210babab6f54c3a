"""Prints one table: experiment, figure, limit, verdict. `--full` takes the times that the limits are meant for."""

import argparse
import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.resilience.load import (
    Answered,
    Clients,
    closed_loop,
    films,
    goodput,
    open_loop,
    percentile_ms,
    statuses,
)
from benchmarks.resilience.server import Server, running

ACCEPTED = {200, 429, 503, 504}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    experiment: str
    figure: str
    value: str
    limit: str
    kept: bool


async def overload(server: Server, seconds: float) -> list[Row]:
    """Five times what the service can, from clients that do not wait."""
    clients, bodies = Clients(server.port), films()
    await closed_loop(clients, bodies, callers=4, seconds=1)
    idle = await closed_loop(clients, bodies, callers=1, seconds=seconds / 4)
    peak_answers = await closed_loop(clients, bodies, callers=16, seconds=seconds / 2)
    peak, before = goodput(peak_answers, seconds / 2), server.memory_mb
    flood = await open_loop(clients, bodies, rate=5 * peak, seconds=seconds, X_Deadline_Ms="5000")
    after = server.memory_mb
    await asyncio.sleep(5)  # the time that the limit gives it to recover
    again = await closed_loop(clients, bodies, callers=1, seconds=seconds / 4)
    clients.close()
    lasted = max(answer.started + answer.seconds for answer in flood) - min(answer.started for answer in flood)
    share, refused = goodput(flood, lasted) / peak, [answer for answer in flood if answer.status == 503]
    good, growth = [answer for answer in flood if answer.status == 200], after / before - 1
    slower = percentile_ms(again, 0.5) / percentile_ms(idle, 0.5) - 1
    strange = set(statuses(flood)) - ACCEPTED
    name = f"5 x capacity, {seconds:g} s"
    return [
        Row(name, "statuses", _counted(flood), "200, 429, 503, 504", not strange),
        Row(name, "goodput, of the peak before", f"{share:.0%} of {peak:.0f}/s", ">= 90 %", share >= 0.9),
        Row(
            name,
            "p99 of the answers",
            f"{percentile_ms(good, 0.99):.0f} ms",
            "< 5000 ms",
            percentile_ms(good, 0.99) < 5000,
        ),
        Row(name, "p50, p99 of the refusals", _two(refused), "< 50 ms", percentile_ms(refused, 0.99) < 50),
        Row(name, "growth of memory", f"{growth:.0%}", "< 10 %", growth < 0.1),
        Row(name, "latency 5 s later, against idle", f"{slower:+.0%}", "<= +20 %", slower <= 0.2),
    ]


async def priority(server: Server, seconds: float) -> list[Row]:
    """Urgent films among twice as many routine films as the service can."""
    clients, bodies = Clients(server.port), films()
    await closed_loop(clients, bodies, callers=4, seconds=1)
    idle = await open_loop(clients, bodies, rate=4, seconds=seconds, path="/predict?priority=stat")
    peak = goodput(await closed_loop(clients, bodies, callers=16, seconds=seconds / 2), seconds / 2)
    flood = asyncio.create_task(open_loop(clients, bodies, rate=2 * peak, seconds=seconds))
    urgent = await open_loop(clients, bodies, rate=4, seconds=seconds, path="/predict?priority=stat")
    routine = await flood
    clients.close()
    ratio = percentile_ms(urgent, 0.99) / percentile_ms(idle, 0.99)
    return [
        Row("stat at 2 x capacity", "statuses of stat", _counted(urgent), "200", set(statuses(urgent)) == {200}),
        Row(
            "stat at 2 x capacity",
            "p99 of stat, against idle",
            f"{ratio:.1f} x {percentile_ms(idle, 0.99):.0f} ms",
            "<= 2",
            ratio <= 2,
        ),
        Row(
            "stat at 2 x capacity", "routine films answered", _counted(routine), "some 200", statuses(routine)[200] > 0
        ),
    ]


async def swap(server: Server, seconds: float, models: Path) -> list[Row]:
    """Twenty swaps of the bundle at 80 % load."""
    clients, bodies, swaps = Clients(server.port), films(), 20
    peak = goodput(await closed_loop(clients, bodies, callers=8, seconds=3), 3)
    load = asyncio.create_task(open_loop(clients, bodies, rate=0.8 * peak, seconds=seconds))
    memory = []
    for number in range(swaps):
        wanted = f"chest-xray-pneumonia/1.0.{number % 2}"
        (models / "current").write_text(wanted + "\n")
        while _serving(server) != wanted:  # noqa: ASYNC110 another process swaps
            await asyncio.sleep(0.05)
        memory.append(server.memory_mb)
        await asyncio.sleep(seconds / swaps / 2)
    answers = await load
    clients.close()
    served = {json.loads(answer.body)["model"]["version"] for answer in answers if answer.status == 200}
    growth, failed = memory[-1] / memory[0], len(answers) - statuses(answers)[200]
    return [
        Row(f"{swaps} swaps at 80 % load", "failed requests", f"{failed} of {len(answers)}", "0", failed == 0),
        Row(
            f"{swaps} swaps at 80 % load", "versions that answered", ", ".join(sorted(served)), "both", len(served) == 2
        ),
        Row(f"{swaps} swaps at 80 % load", "memory, of the first swap's", f"{growth:.2f} x", "<= 1.2 x", growth <= 1.2),
    ]


def _serving(server: Server) -> str:
    listed = json.loads(server.ask("GET", "/models")[1])["models"]
    return next(f"{model['name']}/{model['version']}" for model in listed if model["serving"])


def _two_versions(folder: Path) -> Path:
    """The shipped bundle as 1.0.0, and the same under another number."""
    models = folder / "models"
    shutil.copytree("models", models)
    first, second = (models / "chest-xray-pneumonia" / version for version in ("1.0.0", "1.0.1"))
    shutil.copytree(first, second)
    manifest = json.loads((second / "manifest.json").read_text())
    (second / "manifest.json").write_text(json.dumps(manifest | {"version": "1.0.1"}))
    return models


def _counted(answers: Iterable[Answered]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses(answers).items()))


def _two(answers: list[Answered]) -> str:
    return f"{percentile_ms(answers, 0.5):.0f}, {percentile_ms(answers, 0.99):.0f} ms" if answers else "none"


def _run(experiment: Callable[[Server, float], Awaitable[list[Row]]], seconds: float, **settings: object) -> list[Row]:
    async def whole(server: Server) -> list[Row]:
        return await experiment(server, seconds)

    with running(**settings) as server:
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
        models = _two_versions(Path(folder))

        async def swapped(server: Server, seconds: float) -> list[Row]:
            return await swap(server, seconds, models)

        experiments: Mapping[str, Callable[[], list[Row]]] = {
            "overload": lambda: _run(overload, seconds),
            "priority": lambda: _run(priority, seconds),
            "swap": lambda: _run(swapped, seconds, models_dir=models, model_poll_s=0.2),
        }
        for name in options.experiment or experiments:
            for row in experiments[name]():
                verdict = "kept" if row.kept else "MISSED"
                print(f"| {row.experiment} | {row.figure} | {row.value} | {row.limit} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
