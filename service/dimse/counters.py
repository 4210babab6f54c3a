"""What the process of the DICOM network counts, in a registry of its own; bounded labels, no AE title and no UID."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class DimseMetrics:
    """The metrics of one process; `registry` holds all of them and no others."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.connections = Counter(
            "cxr_dimse_connections",
            "Connections that ended, by how: released, aborted, closed before their end, or refused before their "
            "association: address, title, full, evicted, late, malformed, tls.",
            ("result",),
            registry=self.registry,
        )
        self.associations = Gauge(
            "cxr_dimse_associations", "Associations at this moment, those included that wait.", registry=self.registry
        )
        self.stores = Counter(
            "cxr_dimse_stores", "C-STORE requests answered, by status (4 hexadecimal digits).", ("status",),
            registry=self.registry,
        )  # fmt: skip
        self.store_duration = Histogram(
            "cxr_dimse_store_duration_seconds",
            "From the last byte of an object to its answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.echoes = Counter("cxr_dimse_echoes", "C-ECHO requests answered.", registry=self.registry)
        self.commitments = Counter(
            "cxr_dimse_commitments",
            "Storage commitment: requested, answered or unanswered for films; reported or unreported for results.",
            ("result",),
            registry=self.registry,
        )
        self.object_bytes = Gauge(
            "cxr_dimse_object_bytes", "Bytes of objects that are being received or handed on.", registry=self.registry
        )
