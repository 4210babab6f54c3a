"""The metrics of the bundle that reads along; a part of `service.metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ChallengerMetrics:
    """How the challenger keeps up; what it answers is in no metric."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.films = Counter(
            "cxr_challenger_films",
            "Films offered to the challenger: answered, failed, or skipped for lack of room.",
            ("outcome",),
            registry=registry,
        )
        self.queue = Gauge("cxr_challenger_queue_depth", "Films that wait for the challenger.", registry=registry)
        self.reads = Gauge(
            "cxr_challenger_reads",
            "1 where a challenger is loaded that does not serve itself, else 0.",
            registry=registry,
        )
