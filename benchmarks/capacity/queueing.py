"""How long films wait for a free core: formulas for many cores, and a simulation of single films that checks them.

Arrivals are random (Poisson) within an hour, for films of many rooms and senders; c cores take them first come, first
served. Source: Erlang (1917); Allen, Probability, Statistics and Queueing Theory (1990), 5.3 (G/G/c, Allen-Cunneen).
"""

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def erlang_c(cores: int, load: float) -> float:
    """Probability that a film has to wait.

    Args:
        cores: at least 1.
        load: cores that are busy on average: films a second times seconds a film, below `cores`.

    Raises:
        ValueError: the load is not below the cores: the queue grows without end.
    """
    if not 0 <= load < cores:
        msg = f"a load of {load:g} needs more than {cores} cores"
        raise ValueError(msg)
    blocked = 1.0  # Erlang B, by its recursion: no factorial overflows
    for number in range(1, cores + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / cores * (1 - blocked))


def wait_quantile(quantile: float, cores: int, load: float, service_s: float, variability: float = 0.0) -> float:
    """Seconds that this share of the films waits at most.

    Args:
        quantile: such as 0.99.
        cores: that work.
        load: see `erlang_c`.
        service_s: of one film on one core.
        variability: squared coefficient of variation of the service time; 0: all take the same, 1: exponential.
    """
    waiting = erlang_c(cores, load)
    if waiting <= 1 - quantile:
        return 0.0
    mean_of_those_s = service_s / (cores - load) * (1 + variability) / 2
    return mean_of_those_s * math.log(waiting / (1 - quantile))


def cores_for(films_s: float, service_s: float, *, wait_s: float, quantile: float, variability: float) -> int:
    """The fewest cores on which that share of the films waits no longer than `wait_s`."""
    load = films_s * service_s
    cores = math.floor(load) + 1
    while wait_quantile(quantile, cores, load, service_s, variability) > wait_s:
        cores += 1
    return cores


def simulated(films_s: float, services_s: Sequence[float], cores: int, *, films: int, seed: int) -> NDArray[np.float64]:
    """Seconds from arrival to end of each film, with service times that are drawn from those that were measured."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1 / films_s, films))
    times = random.choice(np.asarray(services_s), films)
    free = [0.0] * cores
    sojourn = np.empty(films)
    for place in range(films):
        start = max(arrivals[place], heapq.heappop(free))
        heapq.heappush(free, start + times[place])
        sojourn[place] = start + times[place] - arrivals[place]
    return sojourn
