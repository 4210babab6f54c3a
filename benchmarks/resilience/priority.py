"""Urgent films while routine films come twice as fast as the service can answer them."""

import asyncio

from benchmarks.resilience.load import Clients, closed_loop, films, goodput, open_loop, percentile_ms, statuses
from benchmarks.resilience.server import Server
from benchmarks.resilience.table import Row, counted


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
        Row("stat at 2 x capacity", "statuses of stat", counted(urgent), "200", set(statuses(urgent)) == {200}),
        Row(
            "stat at 2 x capacity",
            "p99 of stat, against idle",
            f"{ratio:.1f} x {percentile_ms(idle, 0.99):.0f} ms",
            "<= 2",
            ratio <= 2,
        ),
        Row("stat at 2 x capacity", "routine films answered", counted(routine), "some 200", statuses(routine)[200] > 0),
    ]
