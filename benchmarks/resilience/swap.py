"""Bundles that replace one another while films are answered."""

import asyncio
import json
import shutil
from pathlib import Path

from benchmarks.resilience.load import Clients, closed_loop, films, goodput, open_loop, statuses
from benchmarks.resilience.server import Server
from benchmarks.resilience.table import Row


async def swap(server: Server, seconds: float) -> list[Row]:
    """Twenty swaps of the bundle at 80 % load."""
    clients, bodies, swaps = Clients(server.port), films(), 20
    peak = goodput(await closed_loop(clients, bodies, callers=8, seconds=3), 3)
    load = asyncio.create_task(open_loop(clients, bodies, rate=0.8 * peak, seconds=seconds))
    first = Path((server.models_dir / "current").read_text().strip())
    versions, memory = (str(first.with_name(first.name + ".1")), str(first)), []
    for number in range(swaps):
        wanted = versions[number % 2]
        (server.models_dir / "current").write_text(wanted + "\n")
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


def two_versions(folder: Path) -> Path:
    """A models directory with the shipped bundle, and the same under another number."""
    models = folder / "models"
    shutil.copytree("models", models)
    first = models / (models / "current").read_text().strip()
    second = first.parent / f"{first.name}.1"
    shutil.copytree(first, second)
    manifest = json.loads((second / "manifest.json").read_text())
    (second / "manifest.json").write_text(json.dumps(manifest | {"version": second.name}))
    return models


def _serving(server: Server) -> str:
    listed = json.loads(server.ask("GET", "/models")[1])["models"]
    return next(f"{model['name']}/{model['version']}" for model in listed if model["serving"])
