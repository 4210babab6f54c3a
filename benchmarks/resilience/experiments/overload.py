"""Five times what the service can, for a while, and how it is afterwards."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.resilience.load import (
    ACCEPTED,
    Answered,
    Clients,
    Flood,
    closed_loop,
    films,
    flood,
    goodput,
    percentile_ms,
    statuses,
)
from benchmarks.resilience.server import Server
from benchmarks.resilience.table import Row, counted, median_and_p99

DEADLINE_MS = 5000


@dataclass(frozen=True, slots=True)
class Measured:
    """One flood of requests and the service before and after it."""

    peak: float
    """Films per second that callers get who wait for their answers."""
    sent: Flood
    growth: float
    """Of the memory, as a share of what it was before."""
    cores_had: float
    """Share of its cores that the service had during the flood."""
    slower: float
    """Median latency 5 s later over the idle one, minus 1."""


async def overload(server: Server, seconds: float) -> list[Row]:
    """Five times what the service can, from clients that do not wait."""
    measured = await measure(server, seconds)
    name = f"5 x capacity, {seconds:g} s"
    return [*rows_of_answers(name, measured), *rows_of_service(name, measured)]


async def measure(server: Server, seconds: float) -> Measured:
    """Idle, at its capacity, flooded, and idle again."""
    clients = Clients(server.port)
    bodies = films()
    await closed_loop(clients, bodies, callers=4, seconds=1)
    idle = await closed_loop(clients, bodies, callers=1, seconds=seconds / 4)
    peak = goodput(await closed_loop(clients, bodies, callers=16, seconds=seconds / 2), seconds / 2)
    memory = server.memory_mb
    cpu = server.cpu_s
    sent = await flood(clients, bodies, rate=5 * peak, seconds=seconds, X_Deadline_Ms=str(DEADLINE_MS))
    growth = server.memory_mb / memory - 1
    cores_had = (server.cpu_s - cpu) / sent.seconds / server.cores
    await asyncio.sleep(5)  # the time that the limit gives it to recover
    again = await closed_loop(clients, bodies, callers=1, seconds=seconds / 4)
    clients.close()
    return Measured(peak, sent, growth, cores_had, percentile_ms(again, 0.5) / percentile_ms(idle, 0.5) - 1)


def with_status(answers: Sequence[Answered], status: int) -> list[Answered]:
    """The answers of one status."""
    return [answer for answer in answers if answer.status == status]


def rows_of_answers(name: str, measured: Measured) -> list[Row]:
    """What the callers got."""
    answers = measured.sent.answers
    good = with_status(answers, 200)
    refused = with_status(answers, 503)
    share = goodput(good, measured.sent.seconds) / measured.peak
    p99 = percentile_ms(good, 0.99)
    silent = sum(not answer.retry_after for answer in refused)
    quick = percentile_ms(refused, 0.99) < 50
    of_peak = f"{share:.0%} of {measured.peak:.0f}/s"
    return [
        Row(name, "statuses", counted(answers), "200, 429, 503, 504", set(statuses(answers)) <= ACCEPTED),
        Row(name, "goodput, of the peak before", of_peak, ">= 90 %", share >= 0.9, timing=True),
        Row(name, "p99 of the answers", f"{p99:.0f} ms", f"< {DEADLINE_MS} ms", p99 < DEADLINE_MS, timing=True),
        Row(name, "p50, p99 of the refusals", median_and_p99(refused), "< 50 ms", quick, timing=True),
        Row(name, "refusals without Retry-After", f"{silent}", "0", silent == 0),
    ]


def rows_of_service(name: str, measured: Measured) -> list[Row]:
    """What it did to the service, and whether the load was what it should be."""
    sent = measured.sent
    growth = measured.growth
    slower = measured.slower
    had = measured.cores_had
    wanted = 0.95 * 5 * measured.peak
    as_planned = sent.rate >= wanted and sent.cpu_share < 0.8
    load = f"{sent.rate:.0f}/s, {sent.cpu_share:.0%}"
    limit = f">= {wanted:.0f}/s, < 80 %"
    return [
        Row(name, "growth of memory", f"{growth:.0%}", "< 10 %", growth < 0.1, timing=True),
        Row(name, "latency 5 s later, against idle", f"{slower:+.0%}", "<= +20 %", slower <= 0.2, timing=True),
        Row(name, "load sent, the core that it took", load, limit, as_planned, timing=True),
        Row(
            name, "what the service had of its cores", f"{had:.0%}", ">= 90 %, else others ran", had >= 0.9, timing=True
        ),
    ]
