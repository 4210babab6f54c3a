"""Bundles that replace one another while films are answered."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.resilience.load import ACCEPTED, Answered, Clients, closed_loop, films, goodput, open_loop, statuses
from benchmarks.resilience.server import Server
from benchmarks.resilience.table import Row
from benchmarks.resilience.versions import other_version

EVERY_S = 3.0
"""From one swap to the next: 20 in 60 s."""
SHORT_S = 30
SWAPS_SHORT = 20
SWAPS_FULL = 50


async def swap(server: Server, seconds: float) -> list[Row]:
    """Swaps of the bundle, one every three seconds, at 80 % load; then without load, until there were 20 or 50."""
    clients = Clients(server.port)
    bodies = films()
    await closed_loop(clients, bodies, callers=4, seconds=1)
    peak = goodput(await closed_loop(clients, bodies, callers=16, seconds=5), 5)
    under_load = round(seconds / EVERY_S)
    swaps = SWAPS_FULL if seconds > SHORT_S else SWAPS_SHORT
    load = asyncio.create_task(open_loop(clients, bodies, rate=0.8 * peak, seconds=seconds + EVERY_S))
    memory = []
    for number in range(swaps):
        pause = asyncio.create_task(asyncio.sleep(EVERY_S if number < under_load else 0.2))
        await _swapped(server, clients)
        await pause
        memory.append(server.memory_mb)
    answers = await load
    clients.close()
    failed = len(answers) - statuses(answers)[200]
    growth = memory[-1] / memory[0]
    digests, mixed = told_apart(answers, len(bodies))
    name = f"{under_load} swaps in {seconds:g} s at 80 % load"
    return [
        Row(
            name,
            "failed requests",
            f"{failed} of {len(answers)}",
            "0",
            failed == 0,
            timing=set(statuses(answers)) <= ACCEPTED,
        ),
        # One alone: on a slow machine no swap ended while there was load.
        Row(name, "digests that answered", f"{digests}", "2", digests == 2, timing=digests == 1),
        Row(name, "answers that another digest computed", f"{mixed}", "0", mixed == 0),
        Row(f"{swaps} swaps", "memory, of the first swap's", f"{growth:.2f} x", "<= 1.2 x", growth <= 1.2, timing=True),
    ]


async def _swapped(server: Server, clients: Clients) -> None:
    """Let `current` name the other version, and wait until it serves."""
    current = server.models_dir / "current"
    wanted = other_version(server.models_dir, current.read_text().strip())
    current.write_text(wanted + "\n")
    while await _serving(clients) != wanted:  # noqa: ASYNC110 another process swaps
        await asyncio.sleep(0.05)


async def _serving(clients: Clients) -> str:
    listed = json.loads((await clients.ask("GET", "/models")).body)["models"]
    return next(f"{model['name']}/{model['version']}" for model in listed if model["serving"])


def told_apart(answers: Sequence[Answered], films_sent: int) -> tuple[int, int]:
    """How many digests answered, and how many answers have probabilities that the same digest did not give otherwise.

    The two networks give each film other probabilities, so an answer under the wrong digest stands out.
    """
    given: dict[tuple[int, str], list[str]] = defaultdict(list)
    for index, answer in enumerate(answers):
        if answer.status == 200:
            body = json.loads(answer.body)
            given[index % films_sent, body["model"]["sha256"]].append(
                json.dumps(body["prediction"]["probabilities"], sort_keys=True)
            )
    mixed = sum(len(found) - max(found.count(text) for text in set(found)) for found in given.values())
    for film in range(films_sent):
        usual = [max(set(found), key=found.count) for (number, _), found in given.items() if number == film]
        mixed += len(usual) - len(set(usual))  # two digests that say the same cannot be told apart
    return len({digest for _, digest in given}), mixed
