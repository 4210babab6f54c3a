"""The metrics of the deliveries in addition to the PACS; a part of `service.metrics`."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

STATES: Final = ("waiting", "delivered", "failed")
NOT_IN_FILE: Final = "not_in_file"
"""The label of parcels for destinations that the file does not name any longer; no name has an underscore."""


class DestinationMetrics:
    """How far each destination is; `destination` is its name in the file of CXR_DESTINATIONS."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "cxr_destination_deliveries",
            "Attempts to deliver a parcel: delivered, postponed or failed.",
            ("destination", "outcome"),
            registry=registry,
        )
        self.depth = Gauge(
            "cxr_destination_depth",
            "Parcels of the outbox in each state; failed: dead letters.",
            ("destination", "state"),
            registry=registry,
        )
        self.oldest = Gauge(
            "cxr_destination_oldest_seconds",
            "How long the oldest parcel of a destination has waited.",
            ("destination",),
            registry=registry,
        )
        self.forgotten = Counter(
            "cxr_destination_forgotten",
            "Dead letters deleted at the end of their retention, which nobody tried again.",
            ("destination",),
            registry=registry,
        )
