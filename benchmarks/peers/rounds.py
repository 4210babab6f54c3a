"""The rounds: every peer in turn, in an order that is drawn anew, and windows on a busy machine repeated."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from benchmarks.peers.load import Load
from benchmarks.peers.machine import Usage, foreign_cores, pss_mb, usage
from benchmarks.peers.results import Start, Window
from benchmarks.peers.servers import Running, StartError
from trainer.learning.consumption import Meter

FOREIGN_LIMIT: Final = 0.5
"""Cores that others may have during a window that counts."""
TRIES: Final = 3
"""Of one window."""
SETTLING_S: Final = 0.2
LONGEST_SETTLING_S: Final = 10.0
IDLE_CORES: Final = 0.15
"""A server that takes less does nothing: some look around all the time."""
MOST_REPEATS: Final = 24
"""Of all windows, so that a busy machine does not make a run endless."""

Starter = Callable[[str, str], AbstractContextManager[Running]]
"""Starts a peer, by its name and the precision."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    peers: Sequence[str]
    precisions: Sequence[str]
    clients: Sequence[int]
    rounds: int
    seconds: int
    seed: int
    foreign_limit: float = FOREIGN_LIMIT
    most_repeats: int = MOST_REPEATS

    def turns(self) -> Iterator[tuple[int, str, str, list[int]]]:
        """Round, peer, precision and numbers of clients, each round in an order of its own."""
        order = random.Random(self.seed)  # noqa: S311 nothing secret is drawn
        for number in range(self.rounds):
            turns = [(precision, peer) for precision in self.precisions for peer in self.peers]
            order.shuffle(turns)
            for precision, peer in turns:
                yield number, peer, precision, order.sample(list(self.clients), len(self.clients))


@dataclass(slots=True)
class Measured:
    """What was measured so far."""

    windows: list[Window] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repeats: int = 0


def run_rounds(plan: Plan, start: Starter, progress: Callable[[str], None]) -> Measured:
    """Run the whole plan. A peer that does not start becomes a note, and the others go on."""
    measured = Measured()
    for number, peer, precision, clients in plan.turns():
        try:
            with start(peer, precision) as server:
                server.load(max(clients), 1)  # threads that are started when they are first needed
                for connections in clients:
                    for window in tries(plan, server, Place(peer, precision, connections, number), measured):
                        measured.windows.append(window)
                        progress(in_words(window))
                memory = pss_mb(server.family())
                first = server.first_answer_s
            measured.starts.append(
                Start(peer=peer, precision=precision, round=number, first_answer_s=first, pss_mb=memory)
            )
        except StartError as error:
            measured.notes.append(str(error))
            progress(str(error))
    return measured


def tries(plan: Plan, server: Running, place: "Place", measured: Measured) -> Iterator[Window]:
    """The windows that one place of the table takes: at most the last one counts."""
    for number in range(TRIES):
        if number and measured.repeats == plan.most_repeats:
            return
        measured.repeats += bool(number)
        window = measure(plan, server, place)
        yield window
        if window.kept:
            return


@dataclass(frozen=True, slots=True)
class Place:
    """Where a window stands in the table."""

    peer: str
    precision: str
    clients: int
    round: int


def settle(server: Running, read: Callable[[Iterable[int]], Usage] = usage) -> None:
    """Wait until the server does nothing, or for `LONGEST_SETTLING_S`."""
    end = time.perf_counter() + LONGEST_SETTLING_S
    before = read(server.family())
    while time.perf_counter() < end:
        time.sleep(SETTLING_S)
        after = read(server.family())
        if after.family_s - before.family_s < IDLE_CORES * (after.at_s - before.at_s):
            return
        before = after


def measure(plan: Plan, server: Running, place: Place) -> Window:
    """One window, once the server has done with the films that the one before left under way."""
    settle(server)
    with Meter() as meter:
        before = usage(server.family())
        load = server.load(place.clients, plan.seconds)
        after = usage(server.family())
    joules = meter.consumption.energy_joules
    reading = Reading(before, after, sum(joules.values()) if joules else None)
    return window_of(place, load, reading, plan.foreign_limit)


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks around a window, and its energy."""

    before: Usage
    after: Usage
    joules: float | None


def window_of(place: Place, load: Load, reading: Reading, foreign_limit: float) -> Window:
    """A window with what it cost; it counts where few enough cores were foreign.

    A cost is that of a second divided by the films of a second, not the whole cost by all films: those under way at the
    end have cost something and are not answered.
    """
    foreign = foreign_cores(reading.before, reading.after)
    seconds = reading.after.at_s - reading.before.at_s
    films = load.films_per_s * seconds
    cpu_s = reading.after.family_s - reading.before.family_s
    return Window(
        peer=place.peer,
        precision=place.precision,
        clients=place.clients,
        round=place.round,
        films=load.films,
        films_per_s=load.films_per_s,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        errors=load.errors,
        cpu_ms_per_film=1e3 * cpu_s / films if films else None,
        joules_per_film=reading.joules / films if films and reading.joules is not None else None,
        foreign_cores=foreign,
        kept=foreign <= foreign_limit,
    )


def in_words(window: Window) -> str:
    """A line for the terminal."""
    verdict = "" if window.kept else f", dropped: {window.foreign_cores:.1f} foreign cores"
    return (
        f"round {window.round + 1}, {window.peer}, {window.precision}, {window.clients} clients: "
        f"{window.films_per_s:.1f} films/s, p99 {window.p99_ms:.0f} ms, {window.errors} errors{verdict}"
    )
