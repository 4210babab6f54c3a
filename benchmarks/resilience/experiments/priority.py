"""Urgent films while routine films come twice as fast as the service can answer them."""

import asyncio

from benchmarks.resilience.load import (
    ACCEPTED,
    Answered,
    Clients,
    closed_loop,
    films,
    goodput,
    open_loop,
    percentile_ms,
    statuses,
)
from benchmarks.resilience.server import Server
from benchmarks.resilience.table import Row, counted

STAT = "/predict?priority=stat"
STAT_RATE = 10
"""Urgent films a second: enough for a p99, few beside what the service can."""


async def priority(server: Server, seconds: float) -> list[Row]:
    """Urgent films among twice as many routine films as the service can."""
    clients = Clients(server.port)
    bodies = films()
    await closed_loop(clients, bodies, callers=4, seconds=1)
    idle = await open_loop(clients, bodies, rate=STAT_RATE, seconds=seconds, path=STAT)
    peak = goodput(await closed_loop(clients, bodies, callers=16, seconds=seconds / 2), seconds / 2)
    flood = asyncio.create_task(open_loop(clients, bodies, rate=2 * peak, seconds=seconds))
    urgent = await open_loop(clients, bodies, rate=STAT_RATE, seconds=seconds, path=STAT)
    routine = await flood
    few = await _few_among_stat(clients, 2 * peak, seconds)
    clients.close()
    ratio = percentile_ms(urgent, 0.99) / percentile_ms(idle, 0.99)
    answered = set(statuses(few))
    name = "stat at 2 x capacity"
    return [
        Row(
            name,
            "statuses of stat",
            counted(urgent),
            "200",
            set(statuses(urgent)) == {200},
            timing=set(statuses(urgent)) <= ACCEPTED,
        ),
        Row(
            name,
            "p99 of stat, against idle",
            f"{ratio:.1f} x {percentile_ms(idle, 0.99):.0f} ms",
            "<= 2",
            ratio <= 2,
            timing=True,
        ),
        Row(name, "routine films answered", counted(routine), "some 200", statuses(routine)[200] > 0),
        Row(name, "routine beside 2 x stat", counted(few), "200", answered == {200}, timing=200 in answered),
    ]


async def _few_among_stat(clients: Clients, rate: float, seconds: float) -> list[Answered]:
    """The other way round: urgent films alone are more than the service can, and routine films must not starve."""
    bodies = films()
    flood = asyncio.create_task(open_loop(clients, bodies, rate=rate, seconds=seconds, path=STAT))
    few = await open_loop(clients, bodies, rate=1, seconds=seconds)
    await flood
    return few
