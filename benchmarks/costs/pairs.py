"""Costs of two things that were done in turn: on the clock and of the processor, and their ratios."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from imaging.phantom import phantom


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one request or film, in ms."""

    clock: float
    processor: float


def jpeg(rows: int, columns: int) -> bytes:
    """A synthetic film."""
    pixels = phantom(rows, columns, seed=1)
    return cv2.imencode(".jpeg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def processor_ns(processes: Sequence[int]) -> int:
    """Processor time of the threads that there are; see sched-stats.rst of Linux."""
    files = (file for process in processes for file in Path(f"/proc/{process}/task").glob("*/schedstat"))
    return sum(int(file.read_text().split()[0]) for file in files)


def ratio(rounds: Sequence[tuple[Cost, Cost]], of: Callable[[Cost], float]) -> str:
    """The median of the rounds, with the middle half of them."""
    values = sorted(of(cost) / of(base) for base, cost in rounds)
    quarter = len(values) // 4
    return f"{statistics.median(values):.2f} ({values[quarter]:.2f} to {values[-1 - quarter]:.2f})"
