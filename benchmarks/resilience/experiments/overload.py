"""Five times what the service can, for a while, and how it is afterwards."""

import asyncio

from benchmarks.resilience.load import ACCEPTED, Clients, closed_loop, films, flood, goodput, percentile_ms, statuses
from benchmarks.resilience.server import Server
from benchmarks.resilience.table import Row, counted, median_and_p99

DEADLINE_MS = 5000


async def overload(server: Server, seconds: float) -> list[Row]:
    """Five times what the service can, from clients that do not wait."""
    clients = Clients(server.port)
    bodies = films()
    await closed_loop(clients, bodies, callers=4, seconds=1)
    idle = await closed_loop(clients, bodies, callers=1, seconds=seconds / 4)
    peak = goodput(await closed_loop(clients, bodies, callers=16, seconds=seconds / 2), seconds / 2)
    before = server.memory_mb
    cpu = server.cpu_s
    sent = await flood(clients, bodies, rate=5 * peak, seconds=seconds, X_Deadline_Ms=str(DEADLINE_MS))
    growth = server.memory_mb / before - 1
    had = (server.cpu_s - cpu) / sent.seconds / server.cores
    await asyncio.sleep(5)  # the time that the limit gives it to recover
    again = await closed_loop(clients, bodies, callers=1, seconds=seconds / 4)
    clients.close()
    good = [answer for answer in sent.answers if answer.status == 200]
    refused = [answer for answer in sent.answers if answer.status == 503]
    share = goodput(good, sent.seconds) / peak
    p99 = percentile_ms(good, 0.99)
    slower = percentile_ms(again, 0.5) / percentile_ms(idle, 0.5) - 1
    name = f"5 x capacity, {seconds:g} s"
    return [
        Row(name, "statuses", counted(sent.answers), "200, 429, 503, 504", set(statuses(sent.answers)) <= ACCEPTED),
        Row(name, "goodput, of the peak before", f"{share:.0%} of {peak:.0f}/s", ">= 90 %", share >= 0.9, timing=True),
        Row(name, "p99 of the answers", f"{p99:.0f} ms", f"< {DEADLINE_MS} ms", p99 < DEADLINE_MS, timing=True),
        Row(
            name,
            "p50, p99 of the refusals",
            median_and_p99(refused),
            "< 50 ms",
            percentile_ms(refused, 0.99) < 50,
            timing=True,
        ),
        Row(
            name,
            "refusals without Retry-After",
            f"{sum(not answer.retry_after for answer in refused)}",
            "0",
            all(answer.retry_after for answer in refused),
        ),
        Row(name, "growth of memory", f"{growth:.0%}", "< 10 %", growth < 0.1, timing=True),
        Row(name, "latency 5 s later, against idle", f"{slower:+.0%}", "<= +20 %", slower <= 0.2, timing=True),
        Row(
            name,
            "load sent, the core that it took",
            f"{sent.rate:.0f}/s, {sent.cpu_share:.0%}",
            f">= {0.95 * 5 * peak:.0f}/s, < 80 %",
            sent.rate >= 0.95 * 5 * peak and sent.cpu_share < 0.8,
            timing=True,
        ),
        Row(
            name, "what the service had of its cores", f"{had:.0%}", ">= 90 %, else others ran", had >= 0.9, timing=True
        ),
    ]
