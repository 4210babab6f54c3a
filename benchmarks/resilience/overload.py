"""Five times what the service can, for a while, and how it is afterwards."""

import asyncio

from benchmarks.resilience.load import Clients, closed_loop, films, goodput, open_loop, percentile_ms, statuses
from benchmarks.resilience.server import Server
from benchmarks.resilience.table import Row, counted, median_and_p99

ACCEPTED = {200, 429, 503, 504}


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
        Row(name, "statuses", counted(flood), "200, 429, 503, 504", not strange),
        Row(name, "goodput, of the peak before", f"{share:.0%} of {peak:.0f}/s", ">= 90 %", share >= 0.9),
        Row(
            name,
            "p99 of the answers",
            f"{percentile_ms(good, 0.99):.0f} ms",
            "< 5000 ms",
            percentile_ms(good, 0.99) < 5000,
        ),
        Row(name, "p50, p99 of the refusals", median_and_p99(refused), "< 50 ms", percentile_ms(refused, 0.99) < 50),
        Row(name, "growth of memory", f"{growth:.0%}", "< 10 %", growth < 0.1),
        Row(name, "latency 5 s later, against idle", f"{slower:+.0%}", "<= +20 %", slower <= 0.2),
    ]
