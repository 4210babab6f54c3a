"""How often the shared state could not be used; a part of `service.metrics`' registry."""

from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

Use = Literal["quota", "idempotency", "housekeeping"]
USES: Final[tuple[Use, ...]] = ("quota", "idempotency", "housekeeping")


class SharingMetrics:
    """Bounded labels: what the shared state was to be used for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fallbacks = Counter(
            "cxr_shared_state_fallbacks",
            "Uses of the database of CXR_SHARED_STATE_URL that failed, so that this process acted alone.",
            ("use",),
            registry=registry,
        )
        self.available = Gauge(
            "cxr_shared_state_available",
            "1: what replicas share is in the database; 0: it could not be reached, and each acts alone.",
            registry=registry,
        )
        for use in USES:
            self.fallbacks.labels(use)
