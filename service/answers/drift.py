"""The last films of a bundle against those of its validation: a rolling window, and the index of each signal."""

import math
from collections import deque
from collections.abc import Mapping
from functools import partial

from schemas.model.drift import FEWEST_FILMS, DriftReference, index_limit, population_stability_index
from service.metrics import BundleMetrics


class DriftWindow:
    """How many of the last films lie in each bin of each signal.

    Invariant: `_counts` are those of `_films`, which are at most `size`. Nothing in here awaits, and the event loop
    alone calls it, so no film is counted by half.
    """

    def __init__(self, reference: DriftReference, size: int) -> None:
        """`size` is in films."""
        self._signals = reference.signals
        self._size = size
        self._films: deque[dict[str, int]] = deque()
        self._counts = {name: [0] * len(signal.counts) for name, signal in self._signals.items()}

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the signals that are counted."""
        return tuple(self._signals)

    @property
    def films(self) -> int:
        """How many films are in the window."""
        return len(self._films)

    def add(self, signals: Mapping[str, float]) -> None:
        """Add a film, and remove the oldest where the window is full."""
        film = {name: signal.bin_of(signals[name]) for name, signal in self._signals.items()}
        self._films.append(film)
        self._count(film, 1)
        if len(self._films) > self._size:
            self._count(self._films.popleft(), -1)

    def index(self, signal: str) -> float:
        """The population stability index; not a number for fewer than `FEWEST_FILMS` films."""
        if len(self._films) < FEWEST_FILMS:
            return math.nan
        return population_stability_index(self._signals[signal].counts, self._counts[signal])

    def limit(self, signal: str) -> float:
        """The index above which chance does not explain a window of this many films."""
        return index_limit(self._signals[signal], len(self._films))

    def _count(self, film: Mapping[str, int], films: int) -> None:
        for name, place in film.items():
            self._counts[name][place] += films


def register_drift_gauges(window: DriftWindow | None, metrics: BundleMetrics) -> None:
    """Show this window in /metrics, where its indices are computed at each scrape; None: show no window."""
    metrics.drift_films.set_function(lambda: 0 if window is None else window.films)
    for gauge in (metrics.drift_psi, metrics.drift_psi_limit):
        gauge.clear()
    if window is None:
        return
    for signal in window.signals:
        metrics.drift_psi.labels(signal).set_function(partial(window.index, signal))
        metrics.drift_psi_limit.labels(signal).set_function(partial(window.limit, signal))
