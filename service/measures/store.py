"""The metrics of the registry or object store that bundles come from; a part of `service.metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class StoreMetrics:
    """How the store of CXR_MODELS_DIR answers; without one nothing is counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.polls = Counter(
            "cxr_store_polls",
            "Looks at the store of bundles, by result: changed, unchanged or a problem code.",
            ("result",),
            registry=registry,
        )
        self.reachable = Gauge(
            "cxr_store_reachable",
            "1 where the store of bundles answered the last look, else 0; there is no value without a store.",
            ("store",),
            registry=registry,
        )
        self.answered = Gauge(
            "cxr_store_answered_timestamp_seconds",
            "When the store of bundles answered last, in Unix time; there is no value before the first answer.",
            ("store",),
            registry=registry,
        )
        self.discarded = Counter(
            "cxr_store_cache_discarded",
            "Bundles of the cache that were not what their hashes say, and were fetched anew.",
            registry=registry,
        )
