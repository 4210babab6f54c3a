"""What training takes: time, processor time, and energy by the machine's own counters; nothing is estimated."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from schemas.model.provenance import Provenance

POWERCAP = Path("/sys/class/powercap")
"""Where Linux offers RAPL counters. Source: kernel documentation, power/powercap/powercap.rst."""

_EVERY_S = 20.0
"""A counter of 65 kJ, the smallest known, takes 65 s to wrap at 1 kW."""


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a stretch of training took."""

    seconds: float
    cpu_seconds: float | None
    """Of all threads of the process; None: not recorded."""
    energy_joules: dict[str, float] | None
    """By counter; empty: there is none that can be read; None: not recorded."""


def consumption_of(provenance: Provenance) -> Consumption:
    """What the training of a recorded network took, without that of its teachers."""
    return Consumption(provenance.training_seconds, provenance.cpu_seconds, provenance.energy_joules)


def teachers_consumption(provenance: Provenance) -> Consumption:
    """What the training of a network's teachers took, and of their teachers, each counted once."""
    teachers: dict[str, Provenance] = {}
    waiting = list(provenance.teachers)
    while waiting:
        teacher = waiting.pop()
        teachers[teacher.model_dump_json()] = teacher
        waiting += teacher.teachers
    return total([consumption_of(teacher) for teacher in teachers.values()])


def total(parts: Sequence[Consumption]) -> Consumption:
    """The sum. What a part has not recorded is not known of the whole, nor what a counter counted that a part lacks."""
    cpu = [part.cpu_seconds for part in parts if part.cpu_seconds is not None]
    energy = [part.energy_joules for part in parts if part.energy_joules is not None]
    everywhere = [name for name in energy[0] if all(name in each for each in energy)] if energy else []
    return Consumption(
        seconds=sum(part.seconds for part in parts),
        cpu_seconds=sum(cpu) if len(cpu) == len(parts) else None,
        energy_joules={name: sum(each[name] for each in energy) for name in everywhere}
        if len(energy) == len(parts)
        else None,
    )


def energy_in_words(consumption: Consumption) -> str:
    """The energy for the card and the report; where it was not measured, figures to estimate it from."""
    cpu = consumption.cpu_seconds
    joules = consumption.energy_joules
    if joules is None:
        return "not recorded: this version of the trainer came later"
    if joules:
        measured = "; ".join(f"{value / 3600:.1f} Wh by {name}" for name, value in joules.items())
        return f"{measured}: of all that ran on the machine meanwhile, and of no other part of it"
    hint = "" if cpu is None else f"; {cpu / 3600:.2f} core-hours times the watts of a core estimate it"
    return f"not measured: no energy counter of the machine could be read{hint}"


@dataclass(frozen=True, slots=True)
class EnergyCounter:
    """One counter that rises from 0 to its range and begins again."""

    name: str
    read: Callable[[], int]
    """Microjoules."""
    range: int
    """The largest value, in microjoules."""


def energy_counters(powercap: Path = POWERCAP) -> tuple[EnergyCounter, ...]:
    """One for each processor package whose counter this user may read; they count for every process of the machine.

    Other zones are left out: cores and memory are parts of a package, a platform holds the packages.
    """
    counters = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        try:
            name, largest = ((zone / file).read_text().strip() for file in ("name", "max_energy_range_uj"))
            counter = EnergyCounter(f"processor {name} (RAPL)", _reader(zone / "energy_uj"), int(largest))
            counter.read()
        except (OSError, ValueError):  # since CVE-2020-8694 most kernels let root alone read it
            continue
        if name.startswith("package"):
            counters.append(counter)
    return tuple(counters)


class Meter:
    """Measures from `__enter__` to `__exit__`.

    Invariant: every counter is read at least every 20 s, so that none wraps unseen.
    """

    def __init__(self, counters: Sequence[EnergyCounter] | None = None, *, every_s: float = _EVERY_S) -> None:
        """Make a meter; `counters` are the machine's unless they are given."""
        self._counters = energy_counters() if counters is None else counters
        self._every_s = every_s
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample_on, daemon=True, name="energy")

    def __enter__(self) -> Self:
        """Start."""
        self._last = {counter.name: counter.read() for counter in self._counters}
        self._microjoules = dict.fromkeys(self._last, 0)
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        if self._counters:
            self._sampler.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop, whatever ended the stretch."""
        self._wall = time.perf_counter() - self._wall
        self._cpu = time.process_time() - self._cpu
        self._ended.set()
        if self._counters:
            self._sampler.join()
            self._sample()

    @property
    def consumption(self) -> Consumption:
        """What was measured, once the stretch has ended."""
        joules = {name: count / 1e6 for name, count in self._microjoules.items()}
        return Consumption(self._wall, self._cpu, joules)

    def _sample_on(self) -> None:
        while not self._ended.wait(self._every_s):
            self._sample()

    def _sample(self) -> None:
        for counter in self._counters:
            try:
                now = counter.read()
            except OSError:  # what it counted is no longer known; the training goes on
                self._microjoules.pop(counter.name, None)
                continue
            if counter.name in self._microjoules:
                self._microjoules[counter.name] += (now - self._last[counter.name]) % (counter.range + 1)
            self._last[counter.name] = now


def _reader(path: Path) -> Callable[[], int]:
    return lambda: int(path.read_text())
