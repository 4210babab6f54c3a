"""Films of the largest size that is accepted, in files of some kB: what they leave in memory, and take at once."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from benchmarks.resilience.server import Server, running
from benchmarks.resilience.table import Row
from tests.imaging.large_films import large_films as kinds

_ROWS, _COLUMNS = 8000, 5000
_CALLERS = 4
_COSTLY = ("png rgba 16", "png 16", "jpeg cmyk progressive", "dicom lossless jpeg", "dicom jpeg 2000")
"""Measured of all kinds: these take most in their family."""
_LEFT_MB = 150
_WHOLE_MB = 2048
"""The limit of `api` in docker-compose.yml."""
_SETTLED_MB = 600
_ANY = {"Content-Type": "application/octet-stream", "X-Deadline-Ms": "120000"}
_LOOK_S = 0.02


class Memory:
    """The most that the service and its children together had since it was made or asked."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._highest = 0.0

    def highest_mb(self) -> float:
        """The highest value, which is then forgotten."""
        highest = self._highest
        self._highest = 0.0
        return highest

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at it again and again, in a thread."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_LOOK_S):
            self._highest = max(self._highest, self._server.whole_memory_mb)


def large_films(*, seconds: float) -> list[Row]:
    """Each kind by itself, four at once of those that take most, and then all of them mixed for so long."""
    films = {name: make() for name, make in kinds(_ROWS, _COLUMNS).items()}
    with running(decode_workers=2) as server:
        for make in kinds(300, 250).values():  # loads what decodes them
            server.ask("POST", "/predict", make(), _ANY)
        memory = Memory(server)
        with memory.watched():
            return [*_one_by_one(server, films), *_at_once(server, memory, films), *_mixed(server, films, seconds)]


def _one_by_one(server: Server, films: Mapping[str, bytes]) -> list[Row]:
    name = f"{len(films)} kinds of films of 40 megapixels"
    before = server.memory_mb
    statuses = Counter[int]()
    left = {}
    for kind, film in films.items():
        statuses[_status(server, film)] += 1
        left[kind] = server.memory_mb - before
    largest = max(left, key=lambda kind: left[kind])
    return [
        Row(name, "statuses", _counted(statuses), "200", set(statuses) == {200}),
        Row(
            name,
            "largest growth of the service after a film",
            f"{left[largest]:.0f} MB, {largest}",
            f"<= {_LEFT_MB} MB",
            left[largest] <= _LEFT_MB,
        ),
    ]


def _at_once(server: Server, memory: Memory, films: Mapping[str, bytes]) -> list[Row]:
    statuses = Counter[int]()
    highest = {}
    with ThreadPoolExecutor(_CALLERS) as callers:
        for kind in _COSTLY:
            memory.highest_mb()
            statuses.update(callers.map(partial(_status, server), [films[kind]] * _CALLERS))
            highest[kind] = memory.highest_mb()
    worst = max(highest, key=lambda kind: highest[kind])
    name = f"{_CALLERS} of one kind at once"
    return [
        Row(name, "statuses", _counted(statuses), "200", set(statuses) == {200}),
        Row(
            name,
            "most memory of the service and its children",
            f"{highest[worst]:.0f} MB, {worst}",
            f"<= {_WHOLE_MB} MB",
            highest[worst] <= _WHOLE_MB,
        ),
    ]


def _mixed(server: Server, films: Mapping[str, bytes], seconds: float) -> list[Row]:
    end = time.monotonic() + seconds
    turns = itertools.cycle(films.values())
    lock = threading.Lock()

    def call(_caller: int) -> Counter[int]:
        statuses = Counter[int]()
        while time.monotonic() < end:
            with lock:
                film = next(turns)
            statuses[_status(server, film)] += 1
        return statuses

    with ThreadPoolExecutor(_CALLERS) as callers:
        statuses = sum(callers.map(call, range(_CALLERS)), Counter())
    settled = server.whole_memory_mb
    name = f"all of them mixed for {seconds:g} s"
    return [
        Row(name, "statuses", _counted(statuses), "200", set(statuses) == {200}),
        Row(
            name,
            "memory of the service and its children afterwards",
            f"{server.memory_mb:.0f}, in all {settled:.0f} MB",
            f"<= {_SETTLED_MB} MB in all",
            settled <= _SETTLED_MB,
        ),
    ]


def _status(server: Server, film: bytes) -> int:
    return server.ask("POST", "/predict", film, _ANY)[0]


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
