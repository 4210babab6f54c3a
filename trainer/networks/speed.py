"""How long a network takes for one film on one core: what a reader of the leaderboard pays for accuracy."""

import statistics
import time

import torch

from trainer.networks.network import Network

_WARM, _TIMED = 3, 15


def ms_per_film(network: Network, side: int) -> float:
    """Median milliseconds of a forward pass on the CPU with one thread.

    Args:
        network: on the CPU, in eval mode.
        side: S of its input.
    """
    film = torch.zeros(1, 1, side, side)
    threads = torch.get_num_threads()
    seconds = []
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for _ in range(_WARM + _TIMED):
                start = time.perf_counter()
                network(film)
                seconds.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return 1e3 * statistics.median(seconds[_WARM:])
