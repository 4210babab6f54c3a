"""How long a network takes for one film on one core: what a reader of the leaderboard pays for accuracy."""

import contextlib
import os
import statistics
import time
from dataclasses import dataclass

import torch

from schemas.model.trial import Load
from trainer.networks.network import Network

_WARM, _TIMED = 3, 15


@dataclass(frozen=True, slots=True)
class Speed:
    """How long one film took, and how busy the machine was meanwhile."""

    ms_per_film: float
    load: Load


def measure_speed(network: Network, side: int) -> Speed:
    """Median milliseconds of a forward pass on the CPU with one thread.

    Args:
        network: on the CPU, in eval mode.
        side: S of its input.
    """
    film = torch.zeros(1, 1, side, side)
    threads = torch.get_num_threads()
    load_average = _load_average()
    seconds = []
    cpu_seconds = []
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for _ in range(_WARM + _TIMED):
                start = time.perf_counter()
                cpu_start = time.thread_time()
                network(film)
                cpu_seconds.append(time.thread_time() - cpu_start)
                seconds.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    share = sum(cpu_seconds[_WARM:]) / sum(seconds[_WARM:])
    load = Load(load_average=load_average, cores=os.cpu_count() or 1, core_share=share)
    return Speed(1e3 * statistics.median(seconds[_WARM:]), load)


def _load_average() -> float | None:
    with contextlib.suppress(OSError, AttributeError):  # not every system has one
        return os.getloadavg()[0]
    return None
