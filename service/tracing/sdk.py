"""Traces by the SDK of OpenTelemetry, sent by OTLP over HTTP; the only module that imports it.

The SDK reads the sampler (OTEL_TRACES_SAMPLER), the batches (OTEL_BSP_), the limits and the exporter's address, headers
and certificates from the environment by itself.
"""

import logging
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.errors import SettingsError
from schemas.version import VERSION
from service.tracing.metrics import TracingMetrics
from service.tracing.span import NO_CARRIER, TRACESTATE_LENGTH, Attributes, Carrier, Kind, Running, Span, current
from service.tracing.switch import TracingSettings

FLUSH_S: Final = 3.0
"""For what is left at the end; a collector that is down must not hold up the end of the service."""
_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_BATCHES: Final = ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
_CREDENTIALS: Final = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
)
_W3C: Final = TraceContextTextMapPropagator()
"""Not the global one: baggage, which it would pass on to the PACS too, may hold anything."""

log = structlog.get_logger("service.tracing")


class SdkSpan:
    """A `Span` of the SDK."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        self.recording: Final = span.is_recording()

    @property
    def context(self) -> Context:
        """As the parent of others."""
        return trace.set_span_in_context(self._span, Context())

    @property
    def ids(self) -> Mapping[str, str]:
        """See `Span`."""
        context = self._span.get_span_context()
        return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}

    @property
    def carrier(self) -> Carrier:
        """See `Span`."""
        carried: dict[str, str] = {}
        _W3C.inject(carried, self.context)
        if len(carried.get("tracestate", "")) > TRACESTATE_LENGTH:
            del carried["tracestate"]
        return carried

    def child(self, name: str, kind: Kind, attributes: Attributes, start_ns: int | None = None) -> Span:
        """See `Span`."""
        span = self._tracer.start_span(name, self.context, _KINDS[kind], attributes, start_time=start_ns)
        return SdkSpan(self._tracer, span)

    def rename(self, name: str) -> None:
        """See `Span`."""
        self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        """See `Span`."""
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        """See `Span`; no event with the error's text, which may quote a film."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self, at_ns: int | None = None) -> None:
        """See `Span`."""
        self._span.end(at_ns)


class SdkTracing:
    """A `Tracing`; before it is `running`, and after, its spans go nowhere."""

    on: Final = True

    def __init__(self, settings: TracingSettings, metrics: TracingMetrics) -> None:
        """Send nothing yet.

        Raises:
            SettingsError: a variable of the limits of spans is not a number.
        """
        named = {} if settings.named else {"service.name": "cxr"}
        attributes = {"service.version": VERSION, "service.instance.id": str(uuid.uuid4()), **named}
        self._metrics = metrics
        try:
            self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        except ValueError as error:  # its text names the variable, the rule and the value
            msg = f"{error}; correct it, or remove it"
            raise SettingsError(msg) from error
        self._tracer = self._provider.get_tracer("cxr", VERSION)

    def begin(
        self, name: str, kind: Kind = "internal", attributes: Attributes = NO_CARRIER, carried: Carrier = NO_CARRIER
    ) -> AbstractContextManager[Span]:
        """See `Tracing`."""
        parent = current()
        if carried:
            context = _W3C.extract(carried, Context())
        elif isinstance(parent, SdkSpan):
            context = parent.context
        else:
            context = Context()
        return Running(SdkSpan(self._tracer, self._tracer.start_span(name, context, _KINDS[kind], attributes)))

    @contextmanager
    def running(self) -> Iterator[None]:
        """See `Tracing`; the thread that sends exists from here on.

        Raises:
            SettingsError: who gives the exporter's credentials is not there, or the variables of the batches contradict
                each other.
        """
        processor = _batches_of(WatchedExporter(_exporter(), self._metrics))
        # What it says of a collector that is down, again and again, is one line here; see `WatchedExporter`.
        for name in ("opentelemetry", "urllib3", "requests"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._provider.add_span_processor(_EndedSpans(self._metrics))
        self._provider.add_span_processor(processor)
        log.info("traces_on")
        try:
            yield
        finally:
            ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
            ending.start()
            ending.join(FLUSH_S)
            if ending.is_alive():
                log.warning("traces_lost", reason=f"the collector did not take the last spans within {FLUSH_S:g} s")


class WatchedExporter(SpanExporter):
    """Counts what the collector takes, and logs once when it takes nothing more, and once when it does again."""

    def __init__(self, exporter: SpanExporter, metrics: TracingMetrics) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._is_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, in the thread of the SDK."""
        reason = "it answered with an error, or not at all"
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 supervisor: the thread must live, whatever a library raises
            result = SpanExportResult.FAILURE
            reason = type(error).__name__
        is_down = result is not SpanExportResult.SUCCESS
        self._metrics.spans.labels("failed" if is_down else "exported").inc(len(spans))
        if is_down and not self._is_down:
            remedy = "see OTEL_EXPORTER_OTLP_ENDPOINT and the collector; films are answered meanwhile"
            log.warning("traces_not_exported", reason=reason, remedy=remedy)
        if self._is_down and not is_down:
            log.info("traces_exported_again")
        self._is_down = is_down
        return result

    def shutdown(self) -> None:
        """See `SpanExporter`."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """See `SpanExporter`."""
        return self._exporter.force_flush(timeout_millis)


def _exporter() -> SpanExporter:
    try:
        return OTLPSpanExporter()
    except (RuntimeError, ImportError) as error:
        stated = ", ".join(f"{name}={os.environ[name]!r}" for name in _CREDENTIALS if name in os.environ)
        msg = f"{stated}: {error}; install the package that provides it, or remove the variable"
        raise SettingsError(msg) from error


def _batches_of(exporter: SpanExporter) -> BatchSpanProcessor:
    try:
        return BatchSpanProcessor(exporter)
    except ValueError as error:
        stated = ", ".join(f"{name}={os.environ[name]!r}" for name in _BATCHES if name in os.environ)
        msg = (
            f"{stated}: each must be above 0, and a batch (OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 512 by default) no larger "
            "than the queue (OTEL_BSP_MAX_QUEUE_SIZE, 2048 by default); correct them, or remove them"
        )
        raise SettingsError(msg) from error


class _EndedSpans(SpanProcessor):
    def __init__(self, metrics: TracingMetrics) -> None:
        self._ended = metrics.spans.labels("ended")

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 the interface's
        self._ended.inc()
