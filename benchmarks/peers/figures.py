"""Ratios of rates that were taken in the same rounds, with intervals; nothing is read or started here."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from benchmarks.peers.results import BARE, OURS, Results
from schemas.estimate import Estimate

RESAMPLES = 2000


def ratio(rates: Mapping[int, float], of: Mapping[int, float], *, seed: int = 0) -> Estimate | None:
    """Geometric mean of the ratios of paired rounds, with a 95 % percentile interval of resampled rounds.

    Args:
        rates: by their round.
        of: what they are divided by, by its round.
        seed: of the resampling.

    Returns:
        None where no round has both. One round has no interval: both ends are its value.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    shared = sorted(number for number in rates.keys() & of.keys() if rates[number] > 0 and of[number] > 0)
    if not shared:
        return None
    logarithms = np.log([rates[number] / of[number] for number in shared])
    drawn = np.random.default_rng(seed).integers(len(shared), size=(RESAMPLES, len(shared)))
    low, high = np.quantile(logarithms[drawn].mean(axis=1), (0.025, 0.975))
    value = math.exp(logarithms.mean())
    return Estimate(value=value, low=min(value, math.exp(low)), high=max(value, math.exp(high)))


def rates(results: Results, peer: str, precision: str, clients: int) -> dict[int, float]:
    """Films per second of the windows that count, by their round."""
    return {number: window.films_per_s for number, window in results.kept(peer, precision, clients).items()}


def best_peer(results: Results, precision: str, clients: int) -> str | None:
    """The fastest of the others: neither ours nor the bare pipeline; None where none was measured."""
    others = sorted({window.peer for window in results.windows} - {BARE, OURS})
    measured = {peer: by_round for peer in others if (by_round := rates(results, peer, precision, clients))}
    return max(measured, key=lambda peer: median(measured[peer].values()), default=None)


def median_or_none(values: Sequence[float | None]) -> float | None:
    """The median of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return median(known) if known else None
