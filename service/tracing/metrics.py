"""What is counted of the spans themselves."""

from prometheus_client import CollectorRegistry, Counter


class TracingMetrics:
    """How many spans there were, and how many the collector has."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.spans = Counter(
            "cxr_trace_spans",
            "Sampled spans: ended; exported to the collector; failed: the collector did not take them. What is ended "
            "and neither is waiting, or was dropped because the queue was full.",
            ("result",),
            registry=registry,
        )
        for result in ("ended", "exported", "failed"):
            self.spans.labels(result)
