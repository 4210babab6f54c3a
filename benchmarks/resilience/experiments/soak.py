"""Good, bad and crashing clients at the same time, for long: memory and file descriptors stay."""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import theilslopes

from benchmarks.resilience.load import Answered, Clients, films, statuses
from benchmarks.resilience.server import Server, running
from benchmarks.resilience.table import Row, counted
from imaging.phantom import phantom
from tests.imaging.compressed import compressed_film, encapsulated_film, killers
from tests.service.bombs import lying

_KILLED_EVERY = 40
"""Films between two that end a child: each costs the start of another."""
_FILM = phantom(64, 48, seed=2)
_LONG_S = 600
"""Under ten minutes the heap still fills: the slope measures that. Samples depend on one another."""
_ANY = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Sample:
    """The serving process at one moment."""

    minutes: float
    memory_mb: float
    descriptors: int


async def soak(_folder: Path, *, seconds: float, warm_up: float) -> list[Row]:
    """Samples the process once a second, after a warm-up of so many seconds that are no part of the fit."""
    with running() as server:
        clients = Clients(server.port)
        stop = asyncio.Event()
        kinds = (_good, _good, _bad, _crashing)
        calling = [asyncio.create_task(kind(clients, server, stop)) for kind in kinds]
        await asyncio.sleep(warm_up)
        samples = [await _sample(server, second, seconds) for second in range(int(seconds))]
        stop.set()
        answers = [answer for caller in await asyncio.gather(*calling) for answer in caller]
        clients.close()
    return _judged(samples, answers, seconds)


async def _sample(server: Server, second: int, seconds: float) -> Sample:
    await asyncio.sleep(1)
    if second % 60 == 59:
        print(f"soak: {second + 1} of {seconds:g} s, {server.memory_mb:.0f} MB", file=sys.stderr, flush=True)
    return Sample(time.perf_counter() / 60, server.memory_mb, server.descriptors)


def _judged(samples: list[Sample], answers: list[Answered], seconds: float) -> list[Row]:
    name = f"soak, {seconds:g} s"
    slope, low, high = growth_mb_per_minute(samples)
    third = len(samples) // 3
    before, after = (
        statistics.median(sample.descriptors for sample in part) for part in (samples[:third], samples[-third:])
    )
    strange = set(statuses(answers)) - {200, 413, 415, 422}
    return [
        Row(name, "statuses", counted(answers), "200, 413, 415, 422", not strange and statuses(answers)[200] > 0),
        Row(
            name,
            f"growth of memory (95 % interval){'' if seconds >= _LONG_S else ', too short for a judgement'}",
            f"{slope:+.2f} MB/min ({low:+.2f} to {high:+.2f})",
            "< 1 MB/min",
            slope < 1,
            timing=True,
        ),
        Row(name, "open files, first and last third", f"{before:g}, {after:g}", "<= 2 more", after <= before + 2),
    ]


def growth_mb_per_minute(samples: list[Sample]) -> tuple[float, float, float]:
    """The median slope between all pairs of samples, and its 95 % interval: one spike does not move it.

    Source: Theil 1950; Sen, JASA 63 (1968) 1379-1389. The interval takes the samples for independent.
    """
    fit = theilslopes([sample.memory_mb for sample in samples], [sample.minutes for sample in samples], 0.95)
    return float(fit.slope), float(fit.low_slope), float(fit.high_slope)


async def _good(clients: Clients, _server: Server, stop: asyncio.Event) -> list[Answered]:
    paths = itertools.cycle(["/predict"] * 4 + ["/explain"])
    compressed = [compressed_film(_FILM, syntax) for syntax in ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.5")]
    return await _send(clients, stop, zip(paths, itertools.cycle([*films(), *compressed]), strict=False))


async def _bad(clients: Clients, _server: Server, stop: asyncio.Event) -> list[Answered]:
    good = films(1)[0]
    broken = [
        good[:900],
        b"rubbish",
        lying(Rows=65535, Columns=65535),
        lying(Rows=6000, Columns=6000),
        good + bytes(10),
    ]
    ordinary = (("/predict", broken[number % len(broken)]) for number in itertools.count())
    return await _send(clients, stop, ordinary, after=_child_killers())


def _child_killers() -> Iterator[bytes]:
    frames = killers(_FILM)
    return itertools.cycle(encapsulated_film(fragments, syntax, _FILM) for _, syntax, fragments in frames)


async def _send(
    clients: Clients,
    stop: asyncio.Event,
    requests: Iterator[tuple[str, bytes]],
    *,
    after: Iterator[bytes] | None = None,
) -> list[Answered]:
    """One request after another; with `after`, one of those at every fortieth."""
    answers: list[Answered] = []
    for path, body in requests:
        if stop.is_set():
            break
        answers.append(await clients.post(path, body, _ANY))
        if after is not None and len(answers) % _KILLED_EVERY == 0:
            answers.append(await clients.post("/predict", next(after), _ANY))
    return answers


async def _crashing(_clients: Clients, server: Server, stop: asyncio.Event) -> list[Answered]:
    """Clients that die in the middle of a request, or before they read the answer."""
    body = films(1)[0]
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent in itertools.cycle([head[:20], head, head + body[:500], head + body]):
        if stop.is_set():
            break
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.transport.abort()
    return []
