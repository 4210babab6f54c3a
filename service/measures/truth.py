"""The metrics of the answers against the truth; a part of `service.metrics`."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

FIGURE: Final = ("figure", "finding", "bundle")
STATION: Final = ("station", "device")


class TruthMetrics:
    """What the surveillance shows; all of it is absent where there is no spool."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.suspended = Gauge(
            "cxr_suspended", "1 where the stop rule has suspended the answers, else 0.", registry=registry
        )
        self.verdicts = Counter(
            "cxr_verdicts",
            "Verdicts stored, by source (api, csv, sr, report), verdict, and whether new, changed or known.",
            ("source", "verdict", "result"),
            registry=registry,
        )
        self.last_verdict = Gauge(
            "cxr_last_verdict_timestamp_seconds", "When the last verdict came; 0: none yet.", registry=registry
        )
        self.figure = Gauge(
            "cxr_truth_figure",
            "Running sensitivity, specificity or ppv: value, low and high of its confidence sequence (bound).",
            (*FIGURE, "bound"),
            registry=registry,
        )
        self.films = Gauge(
            "cxr_truth_films", "Films with a verdict that count for a figure.", FIGURE, registry=registry
        )
        self.limit = Gauge("cxr_truth_limit", "Pre-registered limit of a figure.", FIGURE, registry=registry)
        self.evidence = Gauge(
            "cxr_stop_evidence_ratio",
            "Logarithm of the evidence against a limit, as a share of what stops the service: at 1 it stops.",
            FIGURE,
            registry=registry,
        )
        self.station_films = Gauge(
            "cxr_station_films", "Films of the last 90 days, by station and device.", STATION, registry=registry
        )
        self.station_abstained = Gauge(
            "cxr_station_abstained_ratio", "Share of these films without an answer.", STATION, registry=registry
        )
        self.station_unfamiliar = Gauge(
            "cxr_station_unfamiliar_ratio", "Share of these films that are unfamiliar.", STATION, registry=registry
        )

    def clear(self) -> None:
        """Forget what is shown by figure and by station, before it is shown anew."""
        for gauge in (self.figure, self.films, self.limit, self.evidence):
            gauge.clear()
        for gauge in (self.station_films, self.station_abstained, self.station_unfamiliar):
            gauge.clear()
