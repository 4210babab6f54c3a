"""What the service counts: one Prometheus registry for each app, base units, bounded labels."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from schemas.version import VERSION
from service.measures.cache import CacheMetrics
from service.measures.challenger import ChallengerMetrics
from service.measures.destination import DestinationMetrics
from service.measures.store import StoreMetrics
from service.measures.truth import TruthMetrics
from service.measures.waiting import Waiting
from service.tracing.metrics import TracingMetrics

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TWENTIETHS = tuple(step / 20 for step in range(1, 21))


class Metrics:
    """The metrics of one app; `registry` holds all of them and no others."""

    def __init__(self, bundles: Sequence[str] = ("",)) -> None:
        """`bundles` are the names of those that serve side by side, in the order of preference."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._http()
        self._films()
        self._dicomweb()
        self._spool()
        self._audit()
        self.result_cache = CacheMetrics(self.registry)
        self.challenger = ChallengerMetrics(self.registry)
        self.destinations = DestinationMetrics(self.registry)
        self.truth = TruthMetrics(self.registry)
        self.tracing = TracingMetrics(self.registry)
        self.store = StoreMetrics(self.registry)
        self._bundles = {name: BundleMetrics(self.shed) for name in bundles}
        self.registry.register(_ByBundle(self._bundles))

    def bundle(self, name: str = "") -> "BundleMetrics":
        """The metrics of one of the bundles."""
        return self._bundles[name]

    def _http(self) -> None:
        labels, text = ("route", "method", "status"), "Requests answered; 499: the caller left."
        self.http_requests = Counter("cxr_http_requests", text, labels, registry=self.registry)
        self.http_duration = Histogram(
            "cxr_http_request_duration_seconds",
            "From the request's head to the answer's last byte.",
            ("route", "method"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.auth_failures = Counter(
            "cxr_auth_failures",
            "Requests refused because a valid key or token, or the scope, was missing.",
            ("reason",),
            registry=self.registry,
        )
        Gauge("cxr_build_info", "Version of this software.", ("version",), registry=self.registry).labels(VERSION).set(
            1
        )
        self.connections_closed = Counter(
            "cxr_connections_closed",
            "Connections closed: idle, header_timeout, header_too_large, malformed, unread, evicted or full.",
            ("reason",),
            registry=self.registry,
        )
        self.http_inflight = Gauge("cxr_http_requests_inflight", "Requests being answered.", registry=self.registry)
        self.ready = Gauge("cxr_ready", "1 where GET /readyz answers 200, else 0.", registry=self.registry)

    def _films(self) -> None:
        registry = self.registry
        self.stage_duration = Histogram(
            "cxr_stage_duration_seconds",
            "Time of one stage for one film.",
            ("stage",),
            buckets=SECONDS,
            registry=registry,
        )
        self.inflight_images = Gauge("cxr_inflight_images", "Films admitted and not yet answered.", registry=registry)
        self.inflight_bytes = Gauge(
            "cxr_inflight_bytes", "Bytes of request bodies that arrived and are not yet answered.", registry=registry
        )
        self.queue_capacity = Gauge(
            "cxr_queue_capacity", "Films that may be admitted at the same time.", registry=registry
        )
        self.shed = Counter(
            "cxr_shed", "Requests refused or given up for lack of time.", ("reason",), registry=registry
        )
        self.cancelled = Counter("cxr_cancelled", "Requests whose caller left before the answer.", registry=registry)
        self.decode_worker_deaths = Counter(
            "cxr_decode_worker_deaths",
            "Processes for compressed films that crashed, took too long or were lost, and were replaced.",
            registry=registry,
        )
        self.input_rejects = Counter(
            "cxr_input_rejects", "Films refused, by problem code.", ("reason",), registry=registry
        )

    def _dicomweb(self) -> None:
        self.stow_instances = Counter(
            "cxr_stow_instances",
            "DICOM instances that arrived by STOW-RS, by result: new, known, corrected or a problem code.",
            ("result",),
            registry=self.registry,
        )
        self.pacs_deliveries = Counter(
            "cxr_pacs_deliveries",
            "Attempts to bring a film's results to the PACS: delivered, already_there, postponed or failed.",
            ("result",),
            registry=self.registry,
        )

    def _spool(self) -> None:
        registry = self.registry
        self.spool_depth = Gauge(
            "cxr_spool_depth", "Films of the spool in each state; failed: dead letters.", ("state",), registry=registry
        )
        self.spool_oldest = Gauge(
            "cxr_spool_oldest_seconds", "How long the oldest film of the spool has waited.", registry=registry
        )
        self.spool_forgotten = Counter(
            "cxr_spool_forgotten",
            "Films deleted at the end of their retention, by state; failed: dead letters that nobody tried again.",
            ("state",),
            registry=registry,
        )
        outcome = "Films of jobs that were to be brought into the spool, by outcome or the problem's code."
        self.job_films = Counter("cxr_job_films", outcome, ("outcome",), registry=registry)

    def _audit(self) -> None:
        self.audit_records = Counter(
            "cxr_audit_records", "Lines written to the audit log, by event.", ("event",), registry=self.registry
        )
        self.audit_write_failures = Counter(
            "cxr_audit_write_failures",
            "Attempts to write to the audit log, or to its copies in syslog and at the hospital, that failed.",
            registry=self.registry,
        )
        self.audit_unsent = Gauge(
            "cxr_audit_unsent_seconds",
            "How long the oldest audit record has waited to be sent to the hospital.",
            registry=self.registry,
        )


class BundleMetrics:
    """The metrics of one of the bundles that serve, in a registry of their own: `Metrics` exposes them."""

    def __init__(self, shed: Counter) -> None:
        """`shed` is that of the service: a film that is refused belongs to no bundle."""
        self.registry = CollectorRegistry()
        self.shed = shed
        self._batches()
        self._model()
        self._answers()
        self._drift()

    def _batches(self) -> None:
        registry = self.registry
        self.waiting = Waiting()
        queue_depth = Gauge("cxr_queue_depth", "Films that wait for the network.", registry=registry)
        queue_depth.set_function(lambda: float(self.waiting.films))
        self.batch_size = Histogram(
            "cxr_batch_size", "Films in one run of the network.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self.images = Counter("cxr_images", "Films that reached the network.", registry=registry)

    def _model(self) -> None:
        self.model_info = Gauge(
            "cxr_model_info",
            "The bundle that serves.",
            ("name", "version", "architecture", "digest", "provider"),
            registry=self.registry,
        )
        self.serves = Gauge(
            "cxr_bundle_serves", "1 where a bundle of this name answers films, else 0.", registry=self.registry
        )
        self.model_loads = Counter(
            "cxr_model_loads", "Attempts to load a bundle.", ("result", "reason"), registry=self.registry
        )
        self.selftest_error = Gauge(
            "cxr_selftest_max_abs_error", "Largest logit error on the golden films at load.", registry=self.registry
        )

    def _answers(self) -> None:
        registry = self.registry
        self.predictions = Counter("cxr_predictions", "Answers given.", ("label", "decision"), registry=registry)
        self.finding_decisions = Counter(
            "cxr_finding_decisions", "What was decided about each finding.", ("finding", "decision"), registry=registry
        )
        self.probability = Histogram(
            "cxr_prediction_probability",
            "Calibrated probability of each class.",
            ("label",),
            buckets=TWENTIETHS,
            registry=registry,
        )
        self.input_quality = Histogram(
            "cxr_input_quality",
            "Mean, contrast and border of the network's inputs, in [0, 1].",
            ("signal",),
            buckets=TWENTIETHS,
            registry=registry,
        )
        self.out_of_distribution = Histogram(
            "cxr_out_of_distribution_score",
            "Distance of a film to the training films, in cut-offs of the nearest class: above 1 it is unfamiliar.",
            buckets=(0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10),
            registry=registry,
        )

    def _drift(self) -> None:
        self.drift_psi = Gauge(
            "cxr_drift_psi",
            "Population stability index of the last films against validation, of each input statistic and probability.",
            ("signal",),
            registry=self.registry,
        )
        self.drift_psi_limit = Gauge(
            "cxr_drift_psi_limit",
            "The value that cxr_drift_psi exceeds by chance once in 100,000 windows of this many films.",
            ("signal",),
            registry=self.registry,
        )
        self.drift_films = Gauge(
            "cxr_drift_window_films", "Films that cxr_drift_psi is computed from.", registry=self.registry
        )


class _ByBundle(Collector):
    """The families of all bundles, each family once; the label `bundle` tells them apart where there are several."""

    def __init__(self, bundles: Mapping[str, BundleMetrics]) -> None:
        self._bundles = bundles

    def collect(self) -> Iterator[Metric]:
        """The Prometheus interface."""
        for families in zip(*(metrics.registry.collect() for metrics in self._bundles.values()), strict=True):
            whole = Metric(families[0].name, families[0].documentation, families[0].type, families[0].unit)
            for name, family in zip(self._bundles, families, strict=True):
                label = {"bundle": name} if len(self._bundles) > 1 else {}
                whole.samples += [sample._replace(labels=label | sample.labels) for sample in family.samples]
            yield whole
