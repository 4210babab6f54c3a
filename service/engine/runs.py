"""The runs of one network: how many there may be at a time, in whichever thread, and whether each of them ends."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from bundle.session import MOST_PROBABLE
from service.capacity.admission import Priority
from service.engine.engine import Engine, Outputs

log = structlog.get_logger("service.engine.runs")


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How many runs there are at once, and for how long."""

    concurrent: int
    """Of routine films; there is one more for stat films."""
    timeout_s: float = 30.0
    """A run that takes longer would not end: it is interrupted."""
    recovery_s: float = 10.0
    """A network whose run had to be interrupted is not trusted for this time."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended; `started` is of `time.perf_counter`."""

    outputs: Outputs
    started: float
    duration_s: float


class Runs:
    """Safe to use from any thread.

    Invariant: whoever runs the network has claimed a place, which is released when the run is over.
    """

    def __init__(self, engine: Engine, limits: RunLimits) -> None:
        self._engine = engine
        self._limits = limits
        self._lock = threading.Lock()
        self._places: dict[Priority, int] = {"stat": 1, "routine": limits.concurrent}
        self._free = dict(self._places)
        self._started: dict[object, float] = {}
        self._overdue_at: float | None = None

    def claim(self, lane: Priority) -> bool:
        """Take a place of this lane; False: there is none."""
        with self._lock:
            is_free = self._free[lane] > 0
            self._free[lane] -= is_free
            return is_free

    def release(self, lane: Priority) -> None:
        """Give a place back that was claimed."""
        with self._lock:
            self._free[lane] += 1

    def is_free(self, lane: Priority) -> bool:
        """Whether there is a place at this moment."""
        return self._free[lane] > 0

    @property
    def idle(self) -> bool:
        """Whether nobody has a place."""
        return self._free == self._places

    def run(self, images: Sequence[NDArray[np.float32]], targets: Sequence[int | None]) -> Run:
        """Run the network on a batch, in the thread that calls.

        Args:
            images: each [1, S, S] in [0, 1].
            targets: of each image the class to explain or `MOST_PROBABLE`; None: no heat maps.

        Raises:
            InferenceError: the network failed.
        """
        token, start = object(), time.perf_counter()
        self._started[token] = start
        try:
            outputs = self._engine.run(np.stack(images), _explained(targets))
        finally:
            del self._started[token]
        return Run(outputs, start, time.perf_counter() - start)

    def interrupt(self) -> None:
        """Let every run fail that still goes on: nobody waits for it."""
        self._engine.interrupt(0.0)

    async def interrupt_overdue(self) -> None:
        """A network may loop on some films; its run is interrupted, and the thread is there for other films again."""
        limit_s = self._limits.timeout_s
        while True:
            await asyncio.sleep(min(1.0, limit_s / 4))
            if overdue := [age for age in self._ages() if age > limit_s]:
                self._overdue_at = time.perf_counter()
                log.error("run_overdue", seconds=round(max(overdue), 1), runs=len(overdue), limit_s=limit_s)
                self._engine.interrupt(limit_s)

    @property
    def hang(self) -> bool:
        """Whether a run takes too long at this moment."""
        return any(age > self._limits.timeout_s for age in self._ages())

    @property
    def overdue(self) -> bool:
        """Whether a run does not end, or had to be interrupted a short while ago."""
        at = self._overdue_at
        return self.hang or (at is not None and time.perf_counter() - at < self._limits.recovery_s)

    def _ages(self) -> list[float]:
        now = time.perf_counter()
        return [now - start for start in tuple(self._started.values())]


def _explained(targets: Sequence[int | None]) -> NDArray[np.int64] | None:
    if all(target is None for target in targets):
        return None
    return np.array([MOST_PROBABLE if target is None else target for target in targets], np.int64)
