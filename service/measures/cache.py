"""The metrics of answers that are kept for films of the same bytes; a part of `service.metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class CacheMetrics:
    """What the result cache counts; all of it stays 0 where the cache is off."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "cxr_result_cache_requests",
            "Films looked up among the answers that are kept: hit or miss.",
            ("result",),
            registry=registry,
        )
        for result in ("hit", "miss"):
            self.requests.labels(result)
        self.evictions = Counter(
            "cxr_result_cache_evictions", "Kept answers that made room for younger ones.", registry=registry
        )
        self.used_bytes = Gauge("cxr_result_cache_bytes", "Memory that kept answers take.", registry=registry)
        self.limit_bytes = Gauge(
            "cxr_result_cache_limit_bytes", "CXR_RESULT_CACHE_BYTES; 0: no answer is kept.", registry=registry
        )
