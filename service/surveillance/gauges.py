"""What is monitored, as Prometheus shows it."""

import math
from typing import Final

from schemas.monitoring import MonitoredFigure, Monitoring
from service.measures.truth import TruthMetrics

STATIONS: Final = 50
"""The busiest; more would make the series of a large hospital without end."""


def show(monitoring: Monitoring, metrics: TruthMetrics) -> None:
    """Set every gauge."""
    metrics.suspended.set(monitoring.suspended)
    last = monitoring.last_verdict_at
    metrics.last_verdict.set(0 if last is None else last.timestamp())
    metrics.clear()
    for figure in monitoring.figures:
        _show_figure(figure, metrics)
    for rates in monitoring.rates[:STATIONS]:
        place = (rates.station, rates.device)
        metrics.station_films.labels(*place).set(rates.films)
        metrics.station_abstained.labels(*place).set(rates.abstained.value)
        metrics.station_unfamiliar.labels(*place).set(rates.unfamiliar.value)


def _show_figure(figure: MonitoredFigure, metrics: TruthMetrics) -> None:
    name = (figure.figure, figure.finding, figure.bundle)
    metrics.films.labels(*name).set(figure.films)
    if figure.estimate is not None:
        for bound in ("value", "low", "high"):
            metrics.figure.labels(*name, bound).set(getattr(figure.estimate, bound))
    if figure.limit is not None and figure.evidence is not None and figure.needed is not None:
        metrics.limit.labels(*name).set(figure.limit)
        share = math.log(max(1.0, figure.evidence)) / math.log(figure.needed)
        metrics.evidence.labels(*name).set(share)
